package explore

import (
	"fmt"
	"io"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// Record is a way through a conversation on which nothing goes wrong, to where something is so
// that the model wants to show.
type Record struct {
	Name string
	Text string
	path []leg
	end  joint

	system *system
}

// Records finds the shortest way to each thing that a conversation <shows>: to where that is so,
// and before it to where after is so, if that is given.
func Records(talk *model.Talk) ([]*Record, []Problem) {
	var records []*Record
	for e := range talk.All("shows") {
		system, problems := compile(talk)
		if problems != nil {
			return nil, problems
		}
		r := &Record{Name: e.Name(), Text: e.Doc(), system: system}
		c := &compiler{system: system, talk: talk}
		for _, attr := range []string{"after", "that"} {
			goal := c.expression(nil, e, attr)
			if goal == nil {
				continue
			}
			if c.problems != nil {
				return nil, c.problems
			}
			if !r.on(goal, e.Attr("trouble") != "1") {
				return nil, []Problem{{e.Pos, fmt.Sprintf("nothing leads to where %s", e.Attr(attr))}}
			}
		}
		if r.path == nil {
			return nil, []Problem{{e.Pos, "<shows> says with that where it ends"}}
		}
		records = append(records, r)
	}
	return records, nil
}

// on goes on to where a goal is reached; it tells whether it is.
func (r *Record) on(goal expression, smooth bool) bool {
	s := &search{system: r.system, index: map[string]int32{}, goal: goal, smooth: smooth}
	if r.path != nil {
		s.begin = &outcome{joint: r.end}
	}
	found := s.run()
	if found == nil || found.Kind != shown {
		return false
	}
	if r.path != nil {
		found.path = found.path[1:] // it begins where the way has led
	}
	r.path, r.end = append(r.path, found.path...), found.end
	return true
}

// Chart writes the way as a sequence chart.
func (r *Record) Chart(w io.Writer) { draw(w, r.system, r.path, r.end) }

// The measures of a picture, in pixels.
const (
	across = 250 // for each side
	down   = 22  // for each line
)

// SVG draws the way as a sequence chart.
func (r *Record) SVG() string {
	p := picture{y: 34, system: r.system}
	for i, l := range r.path {
		p.leg(i, l)
	}
	width, height := across*len(r.system.sides)+across/3, p.y+down
	var head strings.Builder
	fmt.Fprintf(&head, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="Helvetica, Arial, sans-serif" font-size="12">
<title>%s</title>
<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="9" markerHeight="9" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>
<rect width="100%%" height="100%%" fill="white"/>
`, width, height, width, height, r.Name)
	for i, s := range r.system.sides {
		fmt.Fprintf(&head, `<line x1="%d" y1="34" x2="%d" y2="%d" stroke="#999" stroke-dasharray="4 3"/>
<rect x="%d" y="8" width="110" height="26" rx="5" fill="white" stroke="black"/><text x="%d" y="25" text-anchor="middle">%s</text>
`, middle(i), middle(i), height-8, middle(i)-55, middle(i), s.name)
	}
	return head.String() + p.text.String() + "</svg>\n"
}

func middle(side int) int { return across*side + across/2 }

// picture grows downwards.
type picture struct {
	*system
	text strings.Builder
	y    int
}

func (p *picture) leg(i int, l leg) {
	switch m := l.move; {
	case i == 0:
	case m.what != "":
		p.note(m.side.index, m.what, "#555")
	default:
		p.y += down + 4
		from, to := middle(m.link.ends[m.from].index), middle(m.side.index)
		fmt.Fprintf(&p.text, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="black" marker-end="url(#tip)"/><text x="%d" y="%d" text-anchor="middle" font-weight="bold">%s</text>
`, from, p.y, to, p.y, (from+to)/2, p.y-5, escape.Replace(m.said))
	}
	for _, n := range l.out.notes {
		p.note(n.side, n.text, "black")
	}
}

func (p *picture) note(side int, text, colour string) {
	p.y += down
	fmt.Fprintf(&p.text, `<circle cx="%d" cy="%d" r="3"/><text x="%d" y="%d" fill="%s">%s</text>
`, middle(side), p.y-4, middle(side)+8, p.y, colour, escape.Replace(text))
}

var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
