package main

import (
	"errors"
	"fmt"
	"io"
)

// What the doctor finds of something.
const (
	fine = "ok"
	warn = "warn"
	fail = "fail"
)

// errUnwell is why the program fails if something is found to.
var errUnwell = errors.New("something does not work: the lines that begin with fail say what to do")

// finding is the answer to one question.
type finding struct {
	Status string `json:"status"`
	Check  string `json:"check"`
	Found  string `json:"found"`
	Advice string `json:"advice,omitempty"`
}

func (f finding) print(w io.Writer, asJSON bool) (err error) {
	if asJSON {
		return writeJSON(w, f)
	}
	_, err = fmt.Fprintf(w, "%-4s  %-10s  %s\n", f.Status, f.Check, clean(f.Found))
	if f.Advice != "" && err == nil {
		_, err = fmt.Fprintf(w, "%18s%s\n", "", clean(f.Advice))
	}
	return err
}

// judge returns a finding: what is good if good is true, else status and advice.
func judge(good bool, check, found, status, otherwise, advice string) finding {
	if good {
		return finding{fine, check, found, ""}
	}
	return finding{status, check, otherwise, advice}
}
