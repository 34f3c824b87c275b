package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/src/model"
	"github.com/sjohnr/at-once/src/model/diff"
	"github.com/sjohnr/at-once/src/model/lint"
)

// breaks are the exit statuses of what breaks something, by the gravest class.
var breaks = map[diff.Class]status{diff.Wire: 3, diff.State: 4, diff.API: 5, diff.Doc: 6}

func diffCommand() *cobra.Command {
	format := "text"
	var on string
	cmd := &cobra.Command{
		Use:   "diff OLD [NEW]",
		Short: "tell what changed, and what that breaks",
		Long: `Diff tells what changed from OLD to NEW, in four classes: WIRE is what passes
between programs, STATE what is said when and what is done about it, API what
programs call, DOC what people read. A change breaks something or it does not.

OLD and NEW are each a project.xml, a model, a folder, a lock (see once-model lock
--help), or a revision of git, as v0.1.0, HEAD~3 or main:api/machine/peer.xml. NEW is
the current folder if it is not given. A lock has no sentences: DOC is not compared.

A model waives what breaks something by an element in its root, which has the path
that diff prints behind the model's name, a reason, and an end:

  <waiver change = "HELLO.endpoint" until = "2027-03-31">No peer sends it.</waiver>

A waiver is also for what is below its path, as HELLO is above HELLO.endpoint, and
counts up to its last day.

Exit status: 0 if nothing breaks that is not waived, 1 if models cannot be read or NEW
has faults that lint finds, 2 if the command line is wrong; else it is that of the
gravest class that breaks something: 3 WIRE, 4 STATE, 5 API, 6 DOC.`,
		Example: `  once-model diff v0.1.0                         since a release
  once-model diff api/model.lock                 since the lock was written
  once-model diff HEAD --format markdown         what is not committed yet
  once-model diff old/peer.xml new/peer.xml      two models`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			today, err := dayOf(on)
			if err != nil {
				return err
			}
			if !slices.Contains([]string{"text", "markdown", "json"}, format) {
				return usagef("--format is %q: give text, markdown or json", format)
			}
			old, _, err := shapeOf(cmd, args[0])
			if err != nil {
				return err
			}
			now, project, err := shapeOf(cmd, pathOf(args[1:]))
			if err != nil {
				return err
			}
			changes := diff.Compare(old, now)
			if project != nil {
				waivers := diff.Waivers(project, today)
				diff.Waive(changes, waivers)
				for _, w := range waivers {
					if !w.Used {
						fmt.Fprintf(cmd.ErrOrStderr(), "once-model: %s: the waiver of '%s' is for no change: remove it\n", w.Pos, model.OneLine(w.Change))
					}
				}
			}
			if err := printChanges(cmd, changes, format); err != nil {
				return err
			}
			return sound(project)
		},
	}
	cmd.Flags().StringVar(&format, "format", format, "`text, markdown or json`")
	cmd.Flags().StringVar(&on, "on", "", "the `DAY` on which waivers are to count, as 2027-03-31 (default today)")
	return cmd
}

func dayOf(text string) (time.Time, error) {
	if text == "" {
		return time.Now(), nil
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return day, usagef("--on is %q: give a day, as 2027-03-31", text)
	}
	return day, nil
}

func printChanges(cmd *cobra.Command, changes []diff.Change, format string) error {
	text := diff.Text(changes)
	var err error
	switch format {
	case "markdown":
		text = diff.Markdown(changes)
	case "json":
		text, err = diff.JSON(changes)
	}
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(cmd.OutOrStdout(), text); err != nil {
		return err
	}
	for _, class := range diff.Classes {
		if slices.ContainsFunc(changes, func(c diff.Change) bool { return c.Class == class && c.Breaks() }) {
			return breaks[class]
		}
	}
	return nil
}

// sound returns an error for models that lint refuses: what they mean is not certain. A lock has
// no project.
func sound(p *model.Project) error {
	if p == nil {
		return nil
	}
	if findings := lint.Check(p, lint.DialectOf(p)); len(findings) > 0 {
		return fmt.Errorf("the models have faults, the first: %v; once-model lint names all", findings[0])
	}
	return nil
}

// shapeOf reads what an argument of diff names. A lock has no project.
func shapeOf(cmd *cobra.Command, name string) (*diff.Node, *model.Project, error) {
	if strings.HasSuffix(name, ".lock") {
		text, err := model.Disk{}.ReadFile(name)
		if err != nil {
			return nil, nil, err
		}
		shape, err := diff.ParseLock(name, string(text))
		return shape, nil, err
	}
	project, err := loadAny(cmd, name)
	if err != nil {
		return nil, nil, err
	}
	if len(project.Problems) > 0 {
		p := project.Problems[0]
		return nil, nil, fmt.Errorf("%v; once-model lint names all that is wrong", p)
	}
	return diff.Shape(project), project, nil
}

// loadAny reads a project from this machine's files, or, if there is no such file, from a revision
// of git.
func loadAny(cmd *cobra.Command, name string) (*model.Project, error) {
	project, err := model.Load(model.Disk{}, name)
	if !errors.Is(err, fs.ErrNotExist) {
		return project, err
	}
	revision, inside, given := strings.Cut(name, ":")
	tree, gitErr := revisionTree(cmd.Context(), revision)
	if gitErr != nil {
		return nil, fmt.Errorf("%s is no file here, and no revision of git: %w", name, gitErr)
	}
	if !given {
		inside = "."
	}
	project, err = model.Load(tree, path.Clean(inside))
	if err != nil {
		return nil, fmt.Errorf("in revision %s: %w", revision, err)
	}
	return project, nil
}
