package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/src/model"
	"github.com/sjohnr/at-once/src/model/lint"
	"github.com/sjohnr/at-once/src/model/settle"
)

func lintCommand() *cobra.Command {
	var asJSON bool
	var dialect, settled string
	cmd := &cobra.Command{
		Use:   "lint [PATH]",
		Short: "find what is wrong with models",
		Long: `Lint names all that is wrong with models, each with file, line and what to do.

The dialect "once" is that of this generator: all has a sentence, a limit, an
example, and so on. The dialect "zproto" has only what is wrong for zproto and
zproject, too, and is for the models of other projects. Without --dialect the
models tell which it is.

Exit status: 0 if nothing is wrong, 1 if something is or a model cannot be read,
2 if the command line is wrong.`,
		Example: `  once-model lint                         the project in this folder
  once-model lint api/machine/peer.xml    one model
  once-model lint --json | jq .           for a program`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			project, err := model.Load(model.Disk{}, pathOf(args))
			if err != nil {
				return err
			}
			is := lint.DialectOf(project)
			if settled != "" { // what the generator prints has passed its rules, whatever the models tell
				is = lint.Once
			}
			if dialect != "" {
				if is = lint.Dialect(dialect); is != lint.Once && is != lint.Zproto {
					return usagef("--dialect is %q: give once or zproto", dialect)
				}
				if is != lint.Once && settled != "" {
					return usagef("--settle writes models of the dialect once only")
				}
			}
			findings := lint.Check(project, is)
			for _, f := range findings {
				if !asJSON {
					fmt.Fprintln(cmd.OutOrStdout(), f)
				} else if err := json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{
					"file": f.File, "line": f.Line, "path": f.Path, "text": f.Text}); err != nil {
					return err
				}
			}
			switch {
			case len(findings) > 0:
				return status(exitFailed)
			case settled != "":
				return settle.Write(project, settled)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dialect, "dialect", "", "whose rules hold: `once or zproto` (default: as the models are)")
	cmd.Flags().StringVar(&settled, "settle", "", "if nothing is wrong, write the models as the generator prints them, into `DIR`")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, one finding on a line")
	return cmd
}
