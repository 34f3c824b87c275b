package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"strconv"
	"strings"
)

// The bounds of what is read of a revision: octets of a file, which a model may have, and of all.
const (
	maxBlob = 16 << 20
	maxTree = 256 << 20
)

// blob is a file of a revision.
type blob struct {
	name, object string
	mode         fs.FileMode
	size         int64
}

// revisionTree returns the files of a revision of git, as seen from the current folder, and as they
// were committed: what .gitattributes say about exports and ends of lines is not asked.
func revisionTree(ctx context.Context, revision string) (fs.FS, error) {
	if strings.HasPrefix(revision, "-") {
		return nil, errors.New("a revision does not begin with a hyphen")
	}
	listed, err := git(ctx, "", "ls-tree", "-r", "-z", "-l", revision)
	if err != nil {
		return nil, err
	}
	blobs, err := parseTree(string(listed))
	if err != nil {
		return nil, err
	}
	var wanted strings.Builder
	for _, b := range blobs {
		if b.size <= maxBlob {
			fmt.Fprintln(&wanted, b.object)
		}
	}
	packed, err := git(ctx, wanted.String(), "cat-file", "--batch")
	if err != nil {
		return nil, err
	}
	return treeOf(blobs, bufio.NewReader(bytes.NewReader(packed)))
}

// parseTree reads what ls-tree lists: MODE TYPE OBJECT SIZE, a tab, and the name.
func parseTree(listed string) (blobs []blob, err error) {
	all := int64(0)
	for line := range strings.SplitSeq(strings.TrimSuffix(listed, "\x00"), "\x00") {
		about, name, _ := strings.Cut(line, "\t")
		parts := strings.Fields(about)
		if len(parts) != 4 || parts[1] != "blob" { // a repository within this one has no files here
			continue
		}
		b := blob{name: name, object: parts[2], mode: 0o644}
		if b.size, err = strconv.ParseInt(parts[3], 10, 64); err != nil {
			return nil, fmt.Errorf("git does not tell how large %s is: %w", name, err)
		}
		if parts[0] == "120000" {
			b.mode |= fs.ModeSymlink
		}
		if b.size <= maxBlob {
			if all += b.size; all > maxTree {
				return nil, fmt.Errorf("its files have more than %d octets", maxTree)
			}
		}
		blobs = append(blobs, b)
	}
	return blobs, nil
}

// committed is the files of a revision. Those that are too large for a model are there by name alone.
type committed struct {
	fs.FS
	large map[string]bool
}

// Open opens a file.
func (t committed) Open(name string) (fs.File, error) {
	if t.large[name] {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("it has more than %d octets", maxBlob)}
	}
	return t.FS.Open(name)
}

// treeOf makes a file system of files, and of what cat-file says is in them.
func treeOf(blobs []blob, contents *bufio.Reader) (fs.FS, error) {
	var packed bytes.Buffer
	pack, large := zip.NewWriter(&packed), map[string]bool{}
	for _, b := range blobs {
		header := &zip.FileHeader{Name: b.name, Method: zip.Store}
		header.SetMode(b.mode)
		file, err := pack.CreateHeader(header)
		if err != nil {
			return nil, err
		}
		if large[b.name] = b.size > maxBlob; large[b.name] {
			continue
		}
		said, err := contents.ReadString('\n')
		if err != nil || said != fmt.Sprintf("%s blob %d\n", b.object, b.size) {
			return nil, fmt.Errorf("git has not got %s: %s", b.name, strings.TrimSpace(said))
		}
		if _, err := io.CopyN(file, contents, b.size); err != nil {
			return nil, err
		}
		if _, err := contents.Discard(1); err != nil { // the end of the line
			return nil, err
		}
	}
	if err := pack.Close(); err != nil {
		return nil, err
	}
	files, err := zip.NewReader(bytes.NewReader(packed.Bytes()), int64(packed.Len()))
	return committed{files, large}, err
}

// git runs git, and returns what it prints.
func git(ctx context.Context, input string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, "git", args...)
	command.Stdin = strings.NewReader(input)
	var said strings.Builder
	command.Stderr = &said
	out, err := command.Output()
	if err != nil && said.Len() > 0 {
		err = errors.New(strings.TrimPrefix(strings.TrimSpace(said.String()), "fatal: "))
	}
	return out, err
}
