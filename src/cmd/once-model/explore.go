package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/src/model"
	"github.com/sjohnr/at-once/src/model/explore"
)

// exploring is what the command explore is asked for.
type exploring struct {
	names   []string
	asJSON  bool
	verbose bool
}

func exploreCommand() *cobra.Command {
	var e exploring
	c := &cobra.Command{
		Use:   "explore [PATH]",
		Short: "search conversations for deadlock, unhandled messages, livelock and queues without bound",
		Long: `Explore composes the machines of both sides of each conversation over the links between
them, and searches all their joint states for what should not happen. It prints
the shortest way there as a sequence chart, with a column for each side: an
arrow is a message that arrives, * is what a side does, = is where it is in the end.

A conversation is a model of its own: gsl/README.md has its words. Models of zproto
have none. Then each client is explored with each server of its protocol, over one
connection that stands: events that are no messages happen twice each, wherever a
state knows them, but for the first of a server; terminate ends a machine; and each
side may rest anywhere. That finds messages that a state does not handle, where an
engine of zproto ends its program, and not those that are missing.

The exit status is 1 if there is a fault.`,
		Example: `  once-model explore
  once-model explore --verbose api/conversation/peer.xml
  once-model explore --only gossip --only peer
  once-model explore --json | jq '.[] | select(.fault)'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return e.run(c.OutOrStdout(), pathOf(args))
		},
	}
	c.Flags().StringSliceVar(&e.names, "only", nil, "explore the conversations with these names only")
	c.Flags().BoolVar(&e.asJSON, "json", false, "print JSON")
	c.Flags().BoolVarP(&e.verbose, "verbose", "v", false, "say what is assumed, and which steps of machines were not taken")
	return c
}

func (e *exploring) run(w io.Writer, path string) error {
	project, err := model.Load(model.Disk{}, path)
	if err != nil {
		return err
	}
	talks, err := e.choose(project)
	if err != nil {
		return err
	}
	reports, problems := []*explore.Report{}, false
	for _, found := range exploreAll(talks) {
		report := found.report
		for _, f := range found.problems {
			problems = true
			fmt.Fprintln(os.Stderr, f)
		}
		if report == nil {
			continue
		}
		if reports = append(reports, report); !e.asJSON {
			e.print(w, report)
		}
	}
	if e.asJSON {
		if err := e.printJSON(w, reports); err != nil {
			return err
		}
	}
	for _, r := range reports {
		problems = problems || r.Fault != nil
	}
	if problems {
		return status(exitFailed)
	}
	return nil
}

// found is what exploring a conversation has found.
type found struct {
	report   *explore.Report
	problems []explore.Problem
}

// exploreAll explores as many conversations at a time as there are processors.
func exploreAll(talks []*model.Talk) []found {
	all := make([]found, len(talks))
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	var work sync.WaitGroup
	for i, talk := range talks {
		free <- struct{}{}
		work.Go(func() {
			all[i].report, all[i].problems = explore.Explore(talk)
			<-free
		})
	}
	work.Wait()
	return all
}

// choose returns the conversations that are asked for.
func (e *exploring) choose(project *model.Project) ([]*model.Talk, error) {
	for _, p := range project.Problems {
		return nil, errors.New(p.String())
	}
	talks := project.Talks
	if len(talks) == 0 {
		if talks = explore.Drafts(project); len(talks) == 0 {
			return nil, fmt.Errorf("%s has no conversations, nor a client and a server of one protocol: project.xml names conversations with <conversation>", project.File)
		}
		fmt.Fprintln(os.Stderr, "once-model: the models have no conversations, so each client is explored with each server, and whatever is no message may happen; once-model explore --help says more")
	}
	if e.names == nil {
		return talks, nil
	}
	known := map[string]*model.Talk{}
	for _, talk := range talks {
		known[talk.Name()] = talk
	}
	var chosen []*model.Talk
	for _, name := range e.names {
		if known[name] == nil {
			return nil, usagef("--only %s: there is no such conversation in %s", name, project.File)
		}
		chosen = append(chosen, known[name])
	}
	return chosen, nil
}

func (e *exploring) print(w io.Writer, r *explore.Report) {
	verdict := "nothing is wrong"
	if r.Fault != nil {
		verdict = r.Fault.Kind + ": " + r.Fault.Text
	}
	fmt.Fprintf(w, "%s: %d joint states, %d steps, %d of %d transitions taken; %s\n",
		r.Name, r.States, r.Steps, r.Taken, r.Taken+len(r.Untaken), verdict)
	if e.verbose {
		fmt.Fprintf(w, "  at most: %s\n", strings.Join(r.Assumes, "; "))
		if r.Few != "" {
			fmt.Fprintf(w, "  few states: %s\n", r.Few)
		}
		for _, step := range r.Untaken {
			fmt.Fprintf(w, "  not taken: %s\n", model.OneLine(step))
		}
	}
	r.Chart(w)
}

// finding is a report as JSON has it.
type finding struct {
	Name    string   `json:"name"`
	States  int      `json:"states"`
	Steps   int      `json:"steps"`
	Taken   int      `json:"taken"`
	Untaken []string `json:"untaken"`
	Assumes []string `json:"assumes"`
	Few     string   `json:"few,omitempty"`
	Fault   string   `json:"fault,omitempty"`
	Text    string   `json:"text,omitempty"`
	Chart   string   `json:"chart,omitempty"`
}

func (e *exploring) printJSON(w io.Writer, reports []*explore.Report) error {
	findings := []finding{}
	for _, r := range reports {
		f := finding{Name: r.Name, States: r.States, Steps: r.Steps, Taken: r.Taken, Untaken: r.Untaken, Assumes: r.Assumes, Few: r.Few}
		if r.Fault != nil {
			var chart strings.Builder
			r.Chart(&chart)
			f.Fault, f.Text, f.Chart = r.Fault.Kind, r.Fault.Text, chart.String()
		}
		findings = append(findings, f)
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(findings)
}
