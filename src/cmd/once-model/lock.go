package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/src/model"
	"github.com/sjohnr/at-once/src/model/diff"
)

func lockCommand() *cobra.Command {
	var out string
	var check bool
	cmd := &cobra.Command{
		Use:   "lock [PATH]",
		Short: "write down what the models say, at a glance",
		Long: `Lock prints what the models say in short, the wire first: ids and octets, then what
machines do, then what programs call. Committed, it shows in a review what a change
of the models means, and once-model diff compares with it where there is no release.

Exit status: 0; 1 if the models cannot be read or have faults, or, with --check, the lock
is not of these models; 2 if the command line is wrong.`,
		Example: `  once-model lock --out api/model.lock
  once-model lock --out api/model.lock --check`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if check && out == "" {
				return usagef("--check needs the lock's name: give --out FILE")
			}
			shape, project, err := shapeOf(cmd, pathOf(args))
			if err == nil {
				err = sound(project)
			}
			if err != nil {
				return err
			}
			text := diff.Lock(shape)
			switch {
			case out == "":
				_, err = fmt.Fprint(cmd.OutOrStdout(), text)
				return err
			case !check:
				return model.Write(out, text)
			}
			locked, err := model.Disk{}.ReadFile(out)
			if err != nil {
				return err
			}
			if string(locked) != text {
				return fmt.Errorf("%s is not of these models: write it anew by once-model lock --out %[1]s, and review what changes in it", out)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "write into `FILE`, in place of standard output")
	cmd.Flags().BoolVar(&check, "check", false, "write nothing, and fail unless the lock is of these models")
	return cmd
}
