package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/src/model"
)

func lintCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "lint [PATH]",
		Short: "find what is wrong with models",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			project, err := model.Load(model.Disk{}, pathOf(args))
			if err != nil {
				return err
			}
			for _, p := range project.Problems {
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %s: %s\n", p.Pos, p.Path, p.Text)
			}
			if len(project.Problems) > 0 {
				return status(exitFailed)
			}
			return nil
		},
	}
}
