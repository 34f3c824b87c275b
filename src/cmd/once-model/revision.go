package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"strings"
)

// maxTree bounds the octets of a revision's files, packed.
const maxTree = 256 << 20

// revisionTree returns the files of a revision of git, as seen from the current folder.
func revisionTree(ctx context.Context, revision string) (fs.FS, error) {
	if strings.HasPrefix(revision, "-") {
		return nil, errors.New("a revision does not begin with a hyphen")
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	command := exec.CommandContext(ctx, "git", "archive", "--format=zip", "-1", revision)
	var said strings.Builder
	command.Stderr = &said
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	packed, err := io.ReadAll(io.LimitReader(out, maxTree+1))
	if len(packed) > maxTree {
		stop()
		err = fmt.Errorf("its files have more than %d octets, packed", maxTree)
	}
	if ended := command.Wait(); err == nil && ended != nil {
		err = errors.New(strings.TrimPrefix(strings.TrimSpace(said.String()), "fatal: "))
	}
	if err != nil {
		return nil, err
	}
	return zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
}
