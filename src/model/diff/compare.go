package diff

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Breaks tells whether a change breaks something, and nobody has waived that.
func (c Change) Breaks() bool { return c.Breaking && (c.Waiver == nil || c.Waiver.Expired) }

// comparer gathers changes.
type comparer struct {
	changes []Change
	doc     bool // both sides have sentences
	model   string
}

// Compare tells what changed, by class, what breaks something first. A lock has no sentences: what
// people read is not compared with one.
func Compare(old, now *Node) []Change {
	c := &comparer{doc: hasSentences(old) && hasSentences(now)}
	c.children(old, now, "")
	c.changes = merge(c.changes)
	slices.SortStableFunc(c.changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(slices.Index(Classes, a.Class), slices.Index(Classes, b.Class)), cmp.Compare(b2i(b.Breaking), b2i(a.Breaking)))
	})
	return c.changes
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func hasSentences(n *Node) bool {
	return n.fact("sentence") != "" || slices.ContainsFunc(n.Children, hasSentences)
}

func (c *comparer) say(n *Node, class Class, breaking bool, path, format string, args ...any) {
	if class == Doc && !c.doc {
		return
	}
	c.changes = append(c.changes, Change{Pos: n.Pos, Class: class, Breaking: breaking, Model: c.model, Path: path, Text: fmt.Sprintf(format, args...)})
}

// children compares what is below two elements that are the same one.
func (c *comparer) children(old, now *Node, path string) {
	renamed := map[*Node]*Node{}
	for _, was := range old.Children {
		if now.find(was.Kind, was.Name) == nil {
			if is := sameButName(old, now, was); is != nil {
				renamed[is] = was
			}
		}
	}
	for _, was := range old.Children {
		at := join(path, was)
		if is := now.find(was.Kind, was.Name); is != nil {
			c.element(was, is, at)
		} else if is := key(renamed, was); is != nil {
			c.enter(was)
			c.say(is, ruleOf[was.Kind].class, false, at, "is called %s now; its octets are the same", is.Name)
		} else if other := now.find("event", "*"); was.Kind == "event" && other != nil { // it is among all others
			c.facts(was, other, at)
		} else {
			r := ruleOf[was.Kind]
			c.enter(was)
			goes := r.goes
			if was.Kind == "message" && now.find("reserved id", was.fact("id")) != nil {
				goes = "old peers may send it; its id is reserved"
			}
			c.say(was, r.class, r.gone, at, "is gone%s", colon(goes))
		}
	}
	for _, is := range now.Children {
		if old.find(is.Kind, is.Name) == nil && renamed[is] == nil {
			r, other := ruleOf[is.Kind], old.find("event", "*")
			c.enter(is)
			if is.Kind == "event" && other != nil { // it was among all others
				c.facts(other, is, join(path, is))
				continue
			}
			c.say(is, r.class, r.came, join(path, is), "is new%s", colon(r.comes))
		}
	}
	c.order(old, now, path)
}

// models are the kinds of whole models.
var models = map[string]bool{"protocol": true, "layout": true, "machine": true, "class": true}

// enter notes which model is compared, if it is a whole one.
func (c *comparer) enter(n *Node) {
	if models[n.Kind] {
		c.model = n.Name
	}
}

func colon(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}

func key(m map[*Node]*Node, value *Node) *Node {
	for k, v := range m {
		if v == value {
			return k
		}
	}
	return nil
}

// sameButName finds what a message or a field is called now, if only its name is another: one with
// its id, or in its place.
func sameButName(old, now, was *Node) *Node {
	if was.Kind != "message" && was.Kind != "field" && was.Kind != "header field" {
		return nil
	}
	for i, is := range now.Children {
		place := was.Kind == "message" || i < len(old.Children) && old.Children[i] == was
		if is.Kind == was.Kind && place && old.find(is.Kind, is.Name) == nil && sameWire(was, is) {
			return is
		}
	}
	return nil
}

func sameWire(a, b *Node) bool {
	keep := func(n *Node) string {
		var s strings.Builder
		m := *n
		m.Name = ""
		m.lock(&s, 0)
		return s.String()
	}
	return keep(a) == keep(b)
}

// join is the path of an element: names, with the kinds that do not show by themselves. A model's
// own is empty.
func join(path string, n *Node) string {
	switch name := n.Name; {
	case models[n.Kind]:
		return ""
	case path != "" && (n.Kind == "field" || n.Kind == "argument"):
		return path + "." + name
	case n.Kind == "message" || n.Kind == "record" || n.Kind == "state" || n.Kind == "method" || n.Kind == "flag":
		return strings.TrimSpace(path + " " + name)
	case n.Kind == "event":
		return path + " on " + name
	default:
		return strings.TrimSpace(strings.TrimSpace(path+" "+n.Kind) + " " + name)
	}
}

func (c *comparer) element(was, is *Node, path string) {
	c.enter(is)
	c.facts(was, is, path)
	c.children(was, is, path)
}

// facts compares what an element says of itself.
func (c *comparer) facts(was, is *Node, path string) {
	r := ruleOf[is.Kind]
	var names []string
	for _, f := range slices.Concat(was.Facts, is.Facts) {
		if !slices.Contains(names, f.Name) {
			names = append(names, f.Name)
		}
	}
	for _, name := range names {
		before, after := was.fact(name), is.fact(name)
		if before == after {
			continue
		}
		if name == "sentence" {
			if was.Name == is.Name {
				c.say(is, Doc, false, path, "has another sentence")
			}
			continue
		}
		rule, known := r.facts[name]
		if !known {
			continue
		}
		class := rule.class
		if class == "" {
			class = r.class
		}
		breaking := rule.breaks(before, after)
		means := rule.means
		if !breaking {
			means = rule.else_
		}
		c.say(is, class, breaking, path, "%s%s", changed(name, before, after), colon(means))
	}
}

// verbs are facts that are said with a verb, of now and of before, and with a word for none.
var verbs = map[string]struct{ is, was, none string }{
	"leads": {"leads", "led", "nowhere"}, "sends": {"sends", "sent", "nothing"}, "does": {"does", "did", "nothing"},
}

func changed(name, before, after string) string {
	verb, said := verbs[name]
	switch {
	case said:
		what := func(fact string) string {
			if fact == "" || fact == stays {
				return verb.none
			}
			return fact
		}
		return fmt.Sprintf("%s %s, and %s %s", verb.is, what(after), verb.was, what(before))
	case name == "words":
		return "is another"
	case before == "":
		return fmt.Sprintf("%s is %s, and was not given", name, after)
	case after == "":
		return fmt.Sprintf("%s was %s, and is not given", name, before)
	}
	return fmt.Sprintf("%s is %s, and was %s", name, after, before)
}

// order compares the order of what both have, where that counts.
func (c *comparer) order(old, now *Node, path string) {
	kinds := map[string]bool{}
	for _, n := range now.Children {
		if kinds[n.Kind] || !ruleOf[n.Kind].ordered {
			continue
		}
		kinds[n.Kind] = true
		before, after := common(old, now, n.Kind), common(now, old, n.Kind)
		if !slices.Equal(before, after) {
			c.say(now, ruleOf[n.Kind].class, true, path, "has its %ss in another order: %s; it was %s", n.Kind, strings.Join(after, ", "), strings.Join(before, ", "))
		}
	}
}

// common are the names of a kind that both have, in the order of the first.
func common(a, b *Node, kind string) (names []string) {
	for _, n := range a.Children {
		if n.Kind == kind && b.find(kind, n.Name) != nil {
			names = append(names, n.Name)
		}
	}
	return names
}

// merge puts changes of an event together that are the same in several states, as those that are
// inherited.
func merge(changes []Change) (merged []Change) {
	for _, c := range changes {
		state, event, ok := strings.Cut(c.Path, " on ")
		i := slices.IndexFunc(merged, func(m Change) bool {
			_, same, isEvent := strings.Cut(m.Path, " on ")
			return ok && isEvent && same == event && m.Model == c.Model && m.Text == c.Text && m.Class == c.Class
		})
		if i < 0 {
			merged = append(merged, c)
			continue
		}
		states, _, _ := strings.Cut(merged[i].Path, " on ")
		merged[i].Path = states + ", " + state + " on " + event
	}
	return merged
}
