// Package settle writes models as the generator's pages print them: what follows from a model, and
// is more than a spelling, stands in it then. It is for models that have passed lint.
//
// Programs import bindings/go/once: what is here may change at any time.
package settle

import (
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/sjohnr/at-once/src/model"
	"github.com/sjohnr/at-once/src/model/vectors"
)

// Write writes a project and its models into a folder, by the names that they have.
func Write(p *model.Project, folder string) error {
	for _, m := range p.Protocols {
		protocol(m)
	}
	for _, m := range p.Layouts {
		for _, r := range m.Records {
			v, _ := vectors.Record(r)
			lines(r.Element, v, "")
		}
	}
	for _, m := range p.Machines {
		machine(m)
	}
	p.Set("settled", "1")
	for _, root := range append([]*model.Element{p.Element}, p.Models()...) {
		name := filepath.FromSlash(root.File)
		if !filepath.IsLocal(name) {
			return fmt.Errorf("%s is outside of this folder: run this where the project is", root.File)
		}
		if err := model.WriteIn(folder, name, root.String()); err != nil {
			return err
		}
	}
	return nil
}

// protocol adds the lines of each message's example.
func protocol(p *model.Protocol) {
	for _, m := range p.Messages {
		v, _ := vectors.Example(m)
		m.Add("line", "octets", hex.EncodeToString(v.Frames[0][:2]), "text", "signature")
		m.Add("line", "octets", hex.EncodeToString(v.Frames[0][2:3]), "text", "id")
		lines(m.Element, v, ", a frame of its own")
	}
}

// lines adds what a document shows of an example: octets, and what they say.
func lines(e *model.Element, v vectors.Vector, frame string) {
	e.Set("example", strconv.Itoa(len(v.Frames[0])))
	for _, part := range v.Parts {
		if part.Field.Type == "msg" {
			for _, f := range v.Frames[1:] {
				e.Add("line", "octets", hex.EncodeToString(f), "text", part.Field.Name()+frame+": "+string(f))
			}
			continue
		}
		text := part.Field.Name()
		if part.Shown != "" {
			text += ": " + part.Shown
		}
		e.Add("line", "octets", shown(v.Frames[0][part.From:part.To]), "text", text)
	}
}

// shown are octets as a document shows them: long ones in part.
func shown(octets []byte) string {
	text := hex.EncodeToString(octets)
	if len(text) > 64 {
		return fmt.Sprintf("%s...%s (%d octets)", text[:48], text[len(text)-8:], len(octets))
	}
	return text
}

// machine adds the events and actions of a machine, each once, and the steps of each state.
func machine(m *model.Machine) {
	inputs, effects := map[string]bool{}, map[string]*model.Element{}
	for _, s := range m.States {
		for _, e := range s.Events {
			if e.Name() != "*" && !inputs[e.Name()] {
				inputs[e.Name()] = true
				m.Add("input", "name", e.Name(), "go_name", model.GoName(e.Name()))
			}
			effect(m, effects, e.Actions, s.Name()+"."+e.Name())
		}
		effect(m, effects, s.Before, s.Name()+".before")
		effect(m, effects, s.After, s.Name()+".after")
	}
	for _, s := range m.States {
		if s.Abstract {
			continue
		}
		for _, above := range s.Ancestors() {
			s.Add("ancestor", "name", above.Name())
		}
		for _, step := range s.Steps() {
			to := s.Add("step", "name", step.Name(), "go_name", model.GoName(step.Name()), "doc", step.Doc(),
				"origin", step.State.Name(), "next", step.To.Name(), "next_go_name", model.GoName(step.To.Name()))
			if step.Moves() {
				to.Set("moves", "1")
			}
			for _, a := range step.Calls {
				to.Add("call", "text", call(a))
			}
		}
	}
}

func effect(m *model.Machine, effects map[string]*model.Element, actions []*model.Action, place string) {
	for _, a := range actions {
		name := a.Name() + " " + a.Message
		if known := effects[name]; known != nil {
			known.Set("places", known.Attr("places")+", "+place)
			continue
		}
		argument := ""
		if a.Has("reason") {
			argument = "Reason"
		}
		effects[name] = m.Add("effect", "name", name, "go_name", model.GoName(name), "argument", argument, "places", place)
	}
}

// call is what an action is in Go.
func call(a *model.Action) string {
	argument := ""
	if a.Has("reason") {
		argument = "Reason" + model.GoName(a.Reason)
	}
	return model.GoName(strings.TrimSpace(a.Name()+" "+a.Message)) + "(" + argument + ")"
}
