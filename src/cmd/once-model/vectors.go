package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/src/model"
	"github.com/sjohnr/at-once/src/model/lint"
	"github.com/sjohnr/at-once/src/model/vectors"
)

func vectorsCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "vectors [PATH]",
		Short: "print what a codec has to read, and to refuse",
		Long: `Vectors prints what a codec of a protocol has to read and what it has to refuse, as
JSON that any language can run.

A vector has the name of its message, its case, and its frames in hexadecimal. One
that is valid has the fields, too: texts are texts, chunks, uuids and frames in
hexadecimal, a hash is a list of pairs. One that is malformed has the error that is
first, which is short, trailing, signature, id, constant, limit or duplicate, and
the field.

With --out, each protocol's are in a file of its own in DIR/golden. The examples of
the documents alone, and those of layouts, are in files in DIR.`,
		Example: `  once-model vectors api/protocol/zre_msg.xml
  once-model vectors --out generated/vectors`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			project, err := model.Load(model.Disk{}, pathOf(args))
			if err != nil {
				return err
			}
			if findings := lint.Check(project, lint.Once); len(findings) > 0 {
				return fmt.Errorf("vectors need models that once-model lint --dialect once finds nothing in: they are made from limits and examples; it finds %d, the first: %s", len(findings), findings[0])
			}
			for _, p := range project.Protocols {
				if out == "" {
					fmt.Fprint(cmd.OutOrStdout(), vectors.GoldenJSON(p))
				} else if err := model.WriteIn(out, "golden/"+p.Name()+".json", vectors.GoldenJSON(p)); err != nil {
					return err
				} else if err := model.WriteIn(out, p.Name()+".json", vectors.JSON(p)); err != nil {
					return err
				}
			}
			for _, l := range project.Layouts {
				if out == "" {
					continue
				}
				if err := model.WriteIn(out, l.Name()+".json", vectors.LayoutJSON(l)); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "write files into `DIR`, in place of standard output")
	return cmd
}
