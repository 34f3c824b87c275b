package book

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// What a picture may have: what dot and Record.SVG draw with. A style would be one of the whole
// book, and might hide what a branch changes.
var (
	shapes = strings.Fields("svg g title path polygon polyline ellipse circle rect line text defs marker")
	traits = strings.Fields(`cx cy d fill fill-opacity font-family font-size font-style font-weight height id marker-end
		markerHeight markerWidth orient points r refX refY rx ry stroke stroke-dasharray stroke-opacity stroke-width
		text-anchor text-decoration transform viewBox width x x1 x2 xml:space xmlns xmlns:xlink y y1 y2`)
	classes = []string{"graph", "cluster", "node", "edge"}
)

// drawing returns an error for a picture that is more than a drawing. Its comments are gone.
func drawing(file, text string) error {
	root, err := model.Parse(file, []byte(text))
	switch {
	case err != nil:
		return err
	case root.Tag != "svg" || strings.Contains(text, "<?") || strings.Contains(text, "<!"):
		return fmt.Errorf("%s is no picture: it has more than <svg> and what is in it", file)
	}
	return shape(root)
}

func shape(e *model.Element) error {
	if !slices.Contains(shapes, e.Tag) || e.Tag == "svg" && e.Parent != nil {
		return fmt.Errorf("%s: a picture has no <%s> in it: draw it anew", e.Pos, e.Tag)
	}
	for _, a := range e.Attrs {
		if !slices.Contains(traits, a.Name) && (a.Name != "class" || !slices.Contains(classes, a.Value)) {
			return fmt.Errorf("%s: a picture has no %s = %q in it: draw it anew", e.Pos, a.Name, a.Value)
		}
	}
	for _, c := range e.Children {
		if e.Tag == "title" || e.Tag == "text" { // a browser reads a title as HTML
			return fmt.Errorf("%s: a picture has no <%s> in its <%s>: draw it anew", c.Pos, c.Tag, e.Tag)
		}
		if err := shape(c); err != nil {
			return err
		}
	}
	return nil
}
