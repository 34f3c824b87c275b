package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/src/model"
	"github.com/sjohnr/at-once/src/model/book"
)

const pagesFolder = "generated/doc"

func docCommand() *cobra.Command {
	var pages string
	c := &cobra.Command{
		Use:   "doc [PATH]",
		Short: "make one book of the documents that the generator has printed",
		Long: `Doc adds to the pages that gsl/project.gsl prints: a page for each conversation, with
sequence charts that are recorded from the models, and book.html, which has all
pages in one file, with diagrams, links both ways and a search. It needs no other file.`,
		Example: `  make generate             prints the pages, and runs this
  once-model doc
  once-model doc --pages build/doc project.xml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			project, pages, err := projectPages(pathOf(args), pages)
			if err != nil {
				return err
			}
			if err := sound(project); err != nil { // names become those of files
				return err
			}
			if err := writeTalks(project, pages); err != nil {
				return err
			}
			b, err := bookOf(project, pages)
			if err != nil {
				return err
			}
			text, err := b.HTML()
			if err != nil {
				return err
			}
			return model.WriteIn(pages, "book.html", text)
		},
	}
	c.Flags().StringVar(&pages, "pages", "", "the `FOLDER` with the pages (default "+pagesFolder+" beside project.xml)")
	return c
}

// projectPages reads a project, and finds the folder with its pages.
func projectPages(path, pages string) (*model.Project, string, error) {
	project, err := model.Load(model.Disk{}, path)
	if err != nil {
		return nil, "", err
	}
	if len(project.Problems) > 0 {
		p := project.Problems[0]
		return nil, "", fmt.Errorf("%v; once-model lint names all that is wrong", p)
	}
	if !project.Whole {
		return nil, "", fmt.Errorf("%s has no project.xml: a book is of a whole project", path)
	}
	if pages == "" {
		pages = filepath.Join(filepath.Dir(project.File), filepath.FromSlash(pagesFolder))
	}
	if _, err := os.Stat(filepath.Join(pages, "README.md")); err != nil { // nothing is written beside other files
		return nil, "", fmt.Errorf("%w: make generate prints the pages, and sh generate.sh those of a project of once-model init; models for zproto alone have none", err)
	}
	return project, pages, nil
}

// folder is a folder with pages, which may be somebody else's: what is read is in it, regular, and
// no larger than a model.
type folder struct{ fs.FS }

// ReadFile reads a page or a picture.
func (f folder) ReadFile(name string) ([]byte, error) { return model.ReadFile(f.FS, name) }

// bookOf makes the book of a project from a folder with its pages.
func bookOf(project *model.Project, pages string) (*book.Book, error) {
	root, err := os.OpenRoot(pages)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return book.New(project, folder{root.FS()})
}

// writeTalks writes the pages of conversations.
func writeTalks(project *model.Project, pages string) error {
	for _, talk := range project.Talks {
		files, err := book.Talk(talk)
		if err != nil {
			return err
		}
		var names []string
		for name := range files {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			if err := model.WriteIn(pages, name, files[name]); err != nil {
				return err
			}
		}
	}
	return nil
}
