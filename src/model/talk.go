package model

import "path"

// Talk is a conversation: machines that talk to each other, and what is between them.
type Talk struct {
	*Element
	Sides []*Side
}

// Side is a machine that takes part in a conversation.
type Side struct {
	*Element
	Machine *Machine // nil if there is none, or it cannot be read
	Err     error    // why it cannot
}

// newTalk reads a conversation. Its machines are at machine_dir, as seen from its folder.
func newTalk(root *Element, read func(file string) (*Element, error)) *Talk {
	t := &Talk{Element: root}
	machines := map[string]*Machine{} // sides of one machine share it
	for e := range root.All("side") {
		s := &Side{Element: e}
		t.Sides = append(t.Sides, s)
		if !e.Has("machine") {
			continue
		}
		folder, _ := path.Split(root.File)
		file := path.Clean(folder + root.Attr("machine_dir") + e.Attr("machine") + ".xml")
		if machines[file] == nil {
			var machine *Element
			if machine, s.Err = read(file); s.Err != nil {
				continue
			}
			machines[file] = newMachine(machine, read)
		}
		s.Machine = machines[file]
	}
	return t
}
