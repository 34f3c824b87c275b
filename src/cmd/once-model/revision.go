package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxBlob is how many octets a file of a revision may have, as a model may.
const maxBlob = 16 << 20

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
	listed, err := git(ctx, "ls-tree", "-r", "-z", "-l", revision)
	if err != nil {
		return nil, err
	}
	blobs, err := parseTree(string(listed))
	if err != nil {
		return nil, err
	}
	return treeOf(ctx, blobs)
}

// parseTree reads what ls-tree lists: MODE TYPE OBJECT SIZE, a tab, and the name.
func parseTree(listed string) (blobs []blob, err error) {
	for line := range strings.SplitSeq(strings.TrimSuffix(listed, "\x00"), "\x00") {
		about, name, _ := strings.Cut(line, "\t")
		parts := strings.Fields(about)
		if len(parts) != 4 || parts[1] != "blob" { // a repository within this one has no files here
			continue
		}
		if utf8.ValidString(name) && !fs.ValidPath(name) {
			return nil, fmt.Errorf("it has %q, which is no name in a folder", name)
		}
		b := blob{name: name, object: parts[2], mode: 0o644}
		if b.size, err = strconv.ParseInt(parts[3], 10, 64); err != nil {
			return nil, fmt.Errorf("git does not tell how large %s is: %w", name, err)
		}
		if parts[0] == "120000" {
			b.mode |= fs.ModeSymlink
		}
		blobs = append(blobs, b)
	}
	return blobs, nil
}

// committed is the files of a revision. All names are there from the start, and git is asked for a
// file when it is opened: most files of a repository are no models.
type committed struct {
	fs.FS // of names alone
	ctx   context.Context
	blobs map[string]blob
}

// treeOf makes a file system of files.
func treeOf(ctx context.Context, blobs []blob) (fs.FS, error) {
	t := committed{ctx: ctx, blobs: map[string]blob{}}
	var packed bytes.Buffer
	pack := zip.NewWriter(&packed)
	for _, b := range blobs {
		header := &zip.FileHeader{Name: b.name}
		header.SetMode(b.mode)
		if _, err := pack.CreateHeader(header); err != nil {
			return nil, err
		}
		t.blobs[b.name] = b
	}
	if err := pack.Close(); err != nil {
		return nil, err
	}
	names, err := zip.NewReader(bytes.NewReader(packed.Bytes()), int64(packed.Len()))
	t.FS = names
	return t, err
}

// Stat describes a file, for which git is not asked.
func (t committed) Stat(name string) (fs.FileInfo, error) { return fs.Stat(t.FS, name) }

// Open opens a file.
func (t committed) Open(name string) (fs.File, error) {
	file, err := t.FS.Open(name)
	b, is := t.blobs[name]
	if err != nil || !is {
		return file, err
	}
	if b.size > maxBlob {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("it has more than %d octets", maxBlob)}
	}
	text, err := git(t.ctx, "cat-file", "blob", b.object)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return contents{file, bytes.NewReader(text)}, nil
}

// contents is a file with what git says is in it.
type contents struct {
	fs.File
	text *bytes.Reader
}

func (o contents) Read(to []byte) (int, error) { return o.text.Read(to) }

// git runs git, and returns what it prints.
func git(ctx context.Context, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, "git", args...)
	var said strings.Builder
	command.Stderr = &said
	out, err := command.Output()
	if err != nil && said.Len() > 0 {
		err = errors.New(strings.TrimPrefix(strings.TrimSpace(said.String()), "fatal: "))
	}
	return out, err
}
