package explore

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// Drafts are conversations of models that have none: of each client with each server of its
// protocol, over one connection. What the models do not say is taken for possible. Events that are
// no messages happen twice each, where a state knows them, but for the first of a server; terminate
// ends a machine. Each side may rest anywhere, for nobody says where it waits. So a draft finds
// messages that are not handled, and none that are missing.
func Drafts(p *model.Project) (talks []*model.Talk) {
	for _, client := range p.Machines {
		for _, server := range p.Machines {
			if client.Role() == model.Client && server.Role() == model.Server && client.Protocol != nil && server.Protocol != nil &&
				client.Protocol.File == server.Protocol.File {
				talks = append(talks, draft(client, server))
			}
		}
	}
	return talks
}

func draft(client, server *model.Machine) *model.Talk {
	t := &model.Talk{Element: &model.Element{Pos: client.Pos, Tag: "conversation"}}
	t.Set("name", client.Name()+" and "+server.Name())
	t.Add("few").Text = "It is a draft."
	link := t.Add("link", "name", "wire", "between", "client, server", "stands", "1")
	link.Set("breaks", "0")
	link.Set("holds", fmt.Sprint(mostHolds))
	t.Sides = []*model.Side{draftSide(t.Element, client, "client"), draftSide(t.Element, server, "server")}
	return t
}

func draftSide(talk *model.Element, m *model.Machine, name string) *model.Side {
	m = whole(m)
	side := &model.Side{Element: talk.Add("side", "name", name), Machine: m}
	var rests []string
	actions := map[string]*model.Action{}
	outside := map[string]bool{}
	for _, s := range m.States {
		if !s.Abstract {
			rests = append(rests, s.Name())
		}
		for _, list := range [][]*model.Action{s.Before, s.After} {
			gather(actions, list)
		}
		for _, e := range s.Events {
			gather(actions, e.Actions)
			if e.Name() != "*" && messageOf(m.Protocol, e.Name()) == nil && !outside[e.Name()] {
				outside[e.Name()] = true
				when := "(state = '" + strings.Join(knowing(m, e.Name()), "' or state = '") + "')"
				if name == "server" { // an engine of zproto has no client before it has heard of one
					when += " and state != '" + m.States[0].Name() + "'"
				}
				side.Add("may", "fires", e.Name(), "times", "2", "when", when)
			}
		}
	}
	side.Set("rests", strings.Join(rests, ", "))
	for _, does := range sorted(actions) {
		a := actions[does]
		e := side.Add("does", "action", does)
		if to := messageOf(m.Protocol, a.Message); to != nil {
			e.Add("send", "message", to.Name())
		} else if a.Name() == "terminate" {
			e.Add("end")
		}
	}
	return side
}

func gather(actions map[string]*model.Action, list []*model.Action) {
	for _, a := range list {
		actions[strings.TrimSpace(a.Name()+" "+a.Message)] = a
	}
}

func sorted(actions map[string]*model.Action) (names []string) {
	for name := range actions {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// knowing are the states that have a step for an event, which * is not.
func knowing(m *model.Machine, event string) (names []string) {
	for _, s := range m.States {
		if slices.ContainsFunc(s.Steps(), func(step *model.Step) bool { return step.Name() == event }) {
			names = append(names, s.Name())
		}
	}
	return names
}

// messageOf returns the message that a name of an event or an action means for zproto, or nil.
func messageOf(p *model.Protocol, name string) *model.Message {
	for _, m := range p.Messages {
		if model.CName(m.Name()) == model.CName(name) {
			return m
		}
	}
	return nil
}

// whole is a machine that has an event for each message, in a state that nobody reaches: where a
// state has *, which older models call $other, that is for them, too.
func whole(m *model.Machine) *model.Machine {
	copied := *m
	copied.States = nil
	for _, s := range m.States {
		own := *s
		own.Machine, own.Events = &copied, nil
		for _, e := range s.Events {
			event := *e
			if e.Name() == "$other" {
				element := *e.Element
				element.Attrs = slices.Clone(e.Attrs)
				element.Set("name", "*")
				event.Element = &element
			}
			own.Events = append(own.Events, &event)
		}
		copied.States = append(copied.States, &own)
	}
	names := &model.State{Element: &model.Element{Pos: m.Pos, Tag: "state"}, Machine: &copied, Abstract: true}
	for _, message := range m.Protocol.Messages {
		if !hasEvent(m, message.Name()) {
			e := &model.Element{Pos: m.Pos, Tag: "event"}
			e.Set("name", message.Name())
			names.Events = append(names.Events, &model.Event{Element: e, State: names})
		}
	}
	copied.States = append(copied.States, names)
	return &copied
}

func hasEvent(m *model.Machine, message string) bool {
	return slices.ContainsFunc(m.States, func(s *model.State) bool {
		return slices.ContainsFunc(s.Events, func(e *model.Event) bool { return model.CName(e.Name()) == model.CName(message) })
	})
}
