package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// identify settles who the node is: whom --identity names, else the default profile, if
// there is one and it can be used. Nobody is made in silence.
func (c *common) identify() (err error) {
	c.config.Identity, c.config.Shared, c.config.Brief = nil, false, c.brief
	switch {
	case c.as != nil:
		c.config.Identity, c.config.Shared = c.as, true
		return nil
	case c.identity == nobody:
		return nil
	}
	dir, err := directory(profileKind, c.identity)
	switch {
	case c.identity == "" && (err != nil || c.config.Security == once.SecurityPlain):
		return nil // there can be none
	case err != nil:
		return err
	}
	who, err := once.LoadIdentity(dir)
	switch {
	case !errors.Is(err, fs.ErrNotExist):
		c.config.Identity, c.config.Shared = who, err == nil
		return err
	case c.identity == "":
		return nil
	}
	return missing(c.identity, dir)
}

// missing is the error for an identity that is not there.
func missing(name, dir string) error {
	also := ""
	if isProfile(name) {
		if _, err := os.Stat(name); err == nil {
			also = "; for the directory that is here, say ./" + name
		}
	}
	return usageError{fmt.Errorf("%q: %w: there is no identity in %s: once identity list tells which there are, and once identity new %s makes it%s",
		name, fs.ErrNotExist, dir, name, also)}
}

// startNode starts the node, or shares the one that runs with the identity. What was asked
// of how the node is to be, and the other is not, is said.
func (c *common) startNode(ctx context.Context, w io.Writer) (*once.Node, error) {
	node, err := once.Start(ctx, c.config)
	if err != nil || node.Holder() == "" {
		return node, err
	}
	var ignored []string
	settings := pflag.NewFlagSet("", pflag.ContinueOnError)
	new(common).settingFlags(settings)
	settings.VisitAll(func(f *pflag.Flag) {
		if f.Name != "identity" && c.given(f.Name) && strings.HasPrefix(c.typed(f.Name), "--") {
			ignored = append(ignored, "--"+f.Name)
		}
	})
	if len(ignored) > 0 {
		change := "changes"
		if len(ignored) > 1 {
			change = "change"
		}
		fmt.Fprintf(w, "once: the node runs already, as %s in process %s, and goes on as it is: %s %s nothing; --identity none is for a node apart\n",
			clean(node.Name()), clean(node.Holder()), strings.Join(ignored, ", "), change)
	}
	return node, nil
}

// because says of a node that has stopped, and not because ctx has ended, that it was another
// process which has run it.
func because(ctx context.Context, node *once.Node, err error) error {
	if holder := node.Holder(); holder != "" && ctx.Err() == nil && errors.Is(err, once.ErrStopped) {
		return fmt.Errorf("the node has ended: process %s has run it", clean(holder))
	}
	return err
}

// profileRecord is a profile as JSON.
type profileRecord struct {
	Profile string `json:"profile"`
	identityRecord
	Fault string `json:"fault,omitempty"` // why it cannot be used
}

// profileRecords returns all profiles, the default one first.
func profileRecords() ([]profileRecord, error) {
	config, err := os.UserConfigDir()
	if err != nil {
		return nil, err
	}
	names := []string{defaultProfile}
	entries, err := os.ReadDir(filepath.Join(config, "once", profiles))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	var records []profileRecord
	for _, name := range names {
		dir, err := directory(profileKind, name)
		if err != nil {
			return nil, err
		}
		r := profileRecord{Profile: name}
		switch who, err := once.LoadIdentity(dir); {
		case err == nil:
			r.identityRecord = newIdentityRecord(who)
		case errors.Is(err, fs.ErrNotExist):
			continue
		default:
			r.Directory, r.Fault = dir, err.Error()
		}
		records = append(records, r)
	}
	return records, nil
}

func printProfiles(w io.Writer, terminal, asJSON bool) error {
	records, err := profileRecords()
	if err != nil {
		return err
	}
	if len(records) == 0 {
		tell("there is no profile: once identity new makes one, and so does once join")
	}
	return printList(w, terminal, asJSON, "PROFILE\tID\tMEMBER\tUNTIL\tDIRECTORY", records, func(r profileRecord) []string {
		until, _, _ := strings.Cut(r.MemberUntil, "T")
		return []string{r.Profile, cmp.Or(r.ID, r.Fault), r.Name, until, r.Directory}
	})
}

// tell says on standard error what was done or comes next.
func tell(format string, args ...any) { fmt.Fprintf(os.Stderr, "once: "+format+"\n", args...) }

// using is how commands come to use the identity in a directory: nothing for the default
// profile.
func using(dir string) string {
	config, err := os.UserConfigDir()
	if err != nil {
		return " --identity " + dir
	}
	base := filepath.Join(config, "once")
	switch {
	case dir == filepath.Join(base, profileKind):
		return ""
	case filepath.Dir(dir) == filepath.Join(base, profiles):
		return " --identity " + filepath.Base(dir)
	}
	if !filepath.IsAbs(dir) && isProfile(dir) {
		dir = "./" + dir
	}
	return " --identity " + dir
}

// introduce says whose the identity in a directory is from now on, and what comes next.
func introduce(who *once.Identity) {
	with := using(who.Directory())
	whose := "say " + strings.TrimSpace(with) + ", or set ONCE_IDENTITY, to be that"
	if with == "" {
		whose = "all commands are that from now on"
	}
	if who.Network() == "" {
		tell("made the identity %s in %s; %s: once chat --group room%s", who.UUID(), who.Directory(), whose, with)
		return
	}
	tell("you are %s, a member of the network %s until %s; %s: once chat --group room%s",
		clean(who.MemberName()), who.Network(), who.MemberUntil().Format(time.DateOnly), whose, with)
}
