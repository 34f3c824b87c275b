package lint

import (
	"fmt"
	"time"

	"github.com/sjohnr/at-once/src/model"
)

// prose checks what a protocol or a layout tells beside its messages.
func prose(r *report, root *model.Element) {
	for section := range root.All("section") {
		r.sentence(section, "section "+section.Name())
	}
	for scene := range root.All("scene") {
		path := "scene " + scene.Name()
		r.named(scene, path, scene.Name())
		r.claim(scene, "scenes of "+root.Attr("name"), model.CName(scene.Name()), path)
		r.sentence(scene, path)
		at := 0
		for e := range scene.All("step") {
			at++
			step(r, root, e, fmt.Sprintf("%s, step %d", path, at))
		}
	}
}

func step(r *report, root, e *model.Element, path string) {
	r.sentence(e, path)
	message, ok := e.Lookup("message")
	if ok && root.Find("message", message) == nil && root.Find("record", message) == nil {
		r.fault(e, path, "has %s, which is no message of %s", message, root.Attr("name"))
	}
	if or(e, "message", e.Attr("says")) == "" {
		r.fault(e, path, "has no message, nor says what passes")
	}
	if e.Attr("sender") == "" || e.Attr("receiver") == "" {
		r.fault(e, path, "goes from nobody, or to nobody")
	}
}

// waivers checks what a model waives of its changes: each has a reason and an end.
func waivers(r *report, root *model.Element) {
	for e := range root.All("waiver") {
		path := fmt.Sprintf("waiver of '%s'", e.Attr("change"))
		if !e.Has("change") {
			r.fault(e, path, "has no change: name the path that once-model diff prints, without the model")
		}
		if e.Doc() == "" {
			r.fault(e, path, "has no reason: write why the change may break something")
		}
		if _, err := time.Parse(time.DateOnly, e.Attr("until")); err != nil {
			r.fault(e, path, "until must be a day, as 2027-03-31")
		}
	}
}
