package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/sjohnr/at-once/bindings/go/once"
)

func passphraseFlag(flags *pflag.FlagSet, file *string) {
	flags.StringVar(file, "passphrase-file", "", "`FILE` with the passphrase in its first line (default: it is asked for at a terminal)")
}

func backupCommand(dir *string) *cobra.Command {
	var passphraseFile string
	cmd := &cobra.Command{
		Use:   "backup FILE|-",
		Short: "write all that restores a network",
		Long: `Backup writes the network's key, who was invited and who was revoked, the
addresses of its servers with their SECRETs, and the invites that were not
taken yet. Who has the file has the network, so it is
written for this user alone, and under a passphrase if one is given; it is
then a file of age (age-encryption.org), which "age --decrypt" opens too. Make
another after each change that is not to be lost; after an older one the
members know what it does not, and once network spread takes that in.`,
		Example: `  once network backup office.backup
  once network backup - --passphrase-file secret | ssh safe "cat > office.backup"`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			network, err := load("network", once.LoadNetwork, *dir)
			if err != nil {
				return err
			}
			text, err := network.Backup()
			if err != nil {
				return err
			}
			passphrase, err := newPassphrase(passphraseFile)
			if err != nil {
				return err
			}
			content, err := encrypt([]byte(text), passphrase)
			if err != nil {
				return err
			}
			if args[0] == "-" {
				_, err = os.Stdout.Write(content)
				return err
			}
			if err = writeSecret(args[0], content); err == nil && passphrase == "" {
				fmt.Fprintf(os.Stderr, "once: %s is not encrypted: who reads it has the network\n", clean(args[0]))
			}
			return err
		},
	}
	passphraseFlag(cmd.Flags(), &passphraseFile)
	return cmd
}

// writeSecret writes a file that is not there yet, for this user alone.
func writeSecret(name string, content []byte) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

func restoreCommand(with *common, dir *string) *cobra.Command {
	var passphraseFile string
	var to spreading
	cmd := &cobra.Command{
		Use:   "restore FILE|- [DIR]",
		Short: "make a network again what it was when it was backed up",
		Long: `Restore makes the directory of a network, where there is none, from what once
network backup has written. Then it looks for members, and takes in what they
know and the backup does not: who was invited and revoked since. If none is
met, do that with once network spread before you change anything: members do
not let a change take back what they know. If somebody was revoked since, the
network gets another SECRET at its servers once more, because the one that was
drawn then is not in the backup; members that are met are brought it, others
need another invite.`,
		Example: "  once network restore office.backup",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			where, err := directory("network", append(args[1:], *dir)...)
			if err != nil {
				return err
			}
			text, err := readBackup(cmd.Context(), args[0], passphraseFile)
			if err != nil {
				return err
			}
			network, err := once.RestoreNetwork(where, text)
			if err != nil {
				return err
			}
			if _, err = fmt.Println(network.PublicKey()); err != nil {
				return err
			}
			return to.report(cmd.Context(), with, network)
		},
	}
	passphraseFlag(cmd.Flags(), &passphraseFile)
	to.register(with, cmd.Flags())
	return cmd
}

func moveCommand(with *common, dir *string) *cobra.Command {
	var to spreading
	cmd := &cobra.Command{
		Use:   "move OLD [DIR]",
		Short: "give a network a new key, which the old one signs",
		Long: `Move makes a network in DIR with a new key, in place of the one in OLD, and
tells the members. They follow: each goes on as a member of the new network,
under its name and with its roles. Who was revoked or has expired is left
behind. OLD invites nobody any more, and is not moved again; keep it until all
have followed.

Do this when somebody else may have the key. Who has it can do it too, so do
it first: each member follows the first move that it sees, and never another
from the same key. It refuses who has followed another, and tells that the old
key is in two hands; who went astray leaves (remove token and roll from the
directory of its identity) and takes a new invite. A key that is lost moves
nothing: restore it from its backup before.`,
		Example: "  once network move ~/.config/once/network ~/.config/once/network-2",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			where, err := directory("network", append(args[1:], *dir)...)
			if err != nil {
				return err
			}
			network, err := once.MoveNetwork(where, args[0])
			if err != nil {
				return err
			}
			advise("the network is in %s now: back it up, and name that with --network", where)
			if _, err = fmt.Println(network.PublicKey()); err != nil {
				return err
			}
			return to.report(cmd.Context(), with, network)
		},
	}
	to.register(with, cmd.Flags())
	return cmd
}

// passphraseIn returns the first line of a file.
func passphraseIn(name string) (string, error) {
	content, err := os.ReadFile(name)
	line, _, _ := strings.Cut(string(content), "\n")
	if line = strings.TrimSuffix(line, "\r"); err == nil && line == "" {
		err = fmt.Errorf("%s: no passphrase in its first line", name)
	}
	return line, err
}

// askPassphrase asks for a passphrase at the terminal.
func askPassphrase(prompt string) (string, error) {
	fmt.Fprint(os.Stderr, prompt)
	line, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(os.Stderr)
	return string(line), err
}

// newPassphrase returns the passphrase for what is to be encrypted, empty for none.
func newPassphrase(file string) (string, error) {
	switch {
	case file != "":
		return passphraseIn(file)
	case !isTerminal(os.Stdin):
		return "", nil
	}
	first, err := askPassphrase("Passphrase (empty for none): ")
	if err != nil || first == "" {
		return "", err
	}
	second, err := askPassphrase("The same again: ")
	if err == nil && first != second {
		err = errors.New("the two passphrases differ: nothing was written")
	}
	return first, err
}

// encrypt returns what a passphrase opens; without one, the text itself.
func encrypt(text []byte, passphrase string) ([]byte, error) {
	if passphrase == "" {
		return text, nil
	}
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	sheath := armor.NewWriter(&out)
	sealed, err := age.Encrypt(sheath, recipient)
	if err != nil {
		return nil, err
	}
	_, err = sealed.Write(text)
	err = errors.Join(err, sealed.Close(), sheath.Close())
	return out.Bytes(), err
}

// readBackup returns what a file, or standard input, has that backup wrote.
func readBackup(ctx context.Context, name, passphraseFile string) (string, error) {
	var content []byte
	var err error
	if name == "-" {
		content, err = readInput(ctx, maxWritten)
	} else {
		content, err = readFile(name)
	}
	if err != nil || !bytes.HasPrefix(content, []byte(armor.Header)) {
		return string(content), err
	}
	var passphrase string
	switch {
	case passphraseFile != "":
		passphrase, err = passphraseIn(passphraseFile)
	case name != "-" && isTerminal(os.Stdin):
		passphrase, err = askPassphrase("Passphrase: ")
	default:
		err = fmt.Errorf("%s is encrypted: give --passphrase-file, or run this at a terminal", name)
	}
	if err != nil {
		return "", err
	}
	return decrypt(content, passphrase)
}

// maxWork is the most that opening a backup may cost, as scrypt counts it: 512 MiB, of which
// those of backup cost half.
const maxWork = 19

// decrypt is the inverse of encrypt.
func decrypt(content []byte, passphrase string) (string, error) {
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return "", err
	}
	identity.SetMaxWorkFactor(maxWork)
	opened, err := age.Decrypt(armor.NewReader(bytes.NewReader(content)), identity)
	if wrong := new(age.NoIdentityMatchError); errors.As(err, &wrong) {
		return "", errors.New("the passphrase is not right")
	}
	var text []byte
	if err == nil {
		text, err = readAll(opened, "what is encrypted", maxWritten)
	}
	if err != nil && !errors.Is(err, errTooLong) {
		err = fmt.Errorf("the backup was cut or changed: %w", err)
	}
	return string(text), err
}
