package book

import (
	"fmt"
	"strings"

	"github.com/sjohnr/at-once/src/model"
	"github.com/sjohnr/at-once/src/model/explore"
)

// Talk is the page of a conversation, with its pictures: files by their names. What it shows is
// recorded from the models.
func Talk(t *model.Talk) (map[string]string, error) {
	records, problems := explore.Records(t)
	if problems != nil {
		return nil, problems[0]
	}
	name := "conversation_" + t.Name()
	files := map[string]string{}
	p := &page{}
	p.line("%s\n", marker(t.File))
	p.line("# Conversation %s: %s\n", t.Name(), plain(t.Attr("title")))
	p.line("%s\n", prose(t.Text))
	p.line("Once-model explores all joint states of its sides. Numbers are cut to what is said here.\n")
	p.sides(t)
	p.links(t)
	p.table(t.Element, "signal", "## What is said\n\n| message | with | |\n|---|---|---|", func(e *model.Element) string {
		return fmt.Sprintf("| %s | %s | %s |", e.Name(), plain(e.Attr("numbers")), plain(e.Doc()))
	})
	p.outside(t)
	p.promises(t)
	for _, r := range records {
		picture := name + "_" + strings.ReplaceAll(strings.ToLower(r.Name), " ", "_") + ".svg"
		files[picture] = marker(t.File) + "\n" + r.SVG()
		p.line("## %s\n\n%s The way is recorded from the models.\n\n```chart", r.Name, plain(r.Text))
		r.Chart(p)
		p.line("```\n\nThe diagram is there as [SVG](%s), too.\n", picture)
	}
	files[name+".md"] = strings.TrimRight(p.String(), "\n") + "\n"
	return files, nil
}

type page struct{ strings.Builder }

func (p *page) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// table has a row for each element with a tag, and is left out without one.
func (p *page) table(of *model.Element, tag, head string, row func(*model.Element) string) {
	if of.Count(tag) == 0 {
		return
	}
	p.line("%s", head)
	for e := range of.All(tag) {
		p.line("%s", row(e))
	}
	p.line("")
}

func (p *page) sides(t *model.Talk) {
	p.line("## Sides\n\n| side | machine | may stay in | |\n|---|---|---|---|")
	for _, s := range t.Sides {
		machine := "none"
		if name := s.Attr("machine"); name != "" {
			machine = fmt.Sprintf("[%s](%s.md)", name, name)
		}
		p.line("| %s | %s | %s | %s |", s.Name(), machine, plain(s.Attr("rests")), plain(s.Doc()))
	}
	p.line("")
	for _, s := range t.Sides {
		p.table(s.Element, "number", "What "+s.Name()+" knows:\n\n| number | at most | |\n|---|---:|---|", func(e *model.Element) string {
			most := e.Attr("max")
			if most == "" {
				most = "4"
			}
			return fmt.Sprintf("| %s | %s | %s |", e.Name(), plain(most), plain(e.Doc()))
		})
	}
}

func (p *page) links(t *model.Talk) {
	p.table(t.Element, "link", "## Links\n\n| link | between | kind | |\n|---|---|---|---|", func(e *model.Element) string {
		kind, start := "messages in order", "it is dialled"
		if e.Attr("kind") == "datagram" {
			kind, start = "datagrams in any order", ""
		} else if e.Attr("stands") == "1" {
			start = "it stands from the start"
		}
		return fmt.Sprintf("| %s | %s | %s | %s |", e.Name(), plain(e.Attr("between")), kind, start)
	})
}

func (p *page) outside(t *model.Talk) {
	p.line("## What may happen\n")
	for _, s := range t.Sides {
		for _, e := range s.Children {
			name := e.Name()
			if !e.Has("name") {
				name = e.Attr("fires")
			}
			times := e.Attr("times")
			if times == "" {
				times = "once"
			} else {
				times += " times"
			}
			switch {
			case e.Tag == "may" && e.Attr("trouble") == "1":
				p.line("- %s: %s, as trouble. %s", s.Name(), name, plain(e.Doc()))
			case e.Tag == "may":
				p.line("- %s: %s, %s at most. %s", s.Name(), name, times, plain(e.Doc()))
			case e.Tag == "beats":
				p.line("- %s: %s, again and again. %s", s.Name(), name, plain(e.Doc()))
			}
		}
		if like := s.Attr("like"); like != "" {
			p.line("- %s: what %s may do, but for what is %s's alone.", s.Name(), like, like)
		}
	}
	if most := t.Attr("troubles"); most != "" {
		p.line("\nSo much goes wrong at most: %s. That is trouble, a link that breaks or is refused, a datagram that is lost or doubled, a time-out that is early.", most)
	}
	p.line("")
}

func (p *page) promises(t *model.Talk) {
	when := map[string]string{"always": "always", "calm": "whenever nothing follows and nothing went wrong", "finally": "at last, when nothing more happens from outside"}
	p.line("## What is proved\n\nNo side waits for what nobody says, no message or event is unhandled, no queue grows without bound, and:\n\n| so it is | when |\n|---|---|")
	for _, e := range t.Children {
		if when[e.Tag] != "" {
			p.line("| %s | %s |", plain(e.Doc()), when[e.Tag])
		}
	}
	p.line("")
}
