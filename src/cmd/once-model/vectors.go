package main

import (
	"errors"
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

A model of zproto alone has no examples, and few limits: then examples are derived
from the types of fields, which the JSON says, and no limit is passed that the model
does not have. Codecs of zproto do not mind what follows a message, or is twice in a
hash, so no vector has that.

The examples of a message have at most 16384 octets together.

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
			protocols, err := examples(project)
			if err != nil {
				return err
			}
			for _, p := range protocols {
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

// examples are the protocols of a project with their examples: what they state, and, for zproto
// alone, what is derived.
func examples(project *model.Project) ([]*model.Protocol, error) {
	switch {
	case len(project.Problems) > 0:
		return nil, errors.New(project.Problems[0].String())
	case len(project.Protocols)+len(project.Layouts) == 0:
		return nil, fmt.Errorf("%s has no protocol: vectors are made of messages", project.File)
	case lint.DialectOf(project) == lint.Once:
		return project.Protocols, sound(project)
	}
	var all []*model.Protocol
	for _, p := range project.Protocols {
		derived, problems := vectors.Derived(p)
		if len(problems) > 0 {
			return nil, errors.New(problems[0].String())
		}
		all = append(all, derived)
	}
	return all, nil
}
