package diff

import (
	"strings"
	"time"

	"github.com/sjohnr/at-once/src/model"
)

// Waivers are those in the models of a project.
func Waivers(p *model.Project, today time.Time) (all []*Waiver) {
	for _, root := range p.Models() {
		for e := range root.All("waiver") {
			until := e.Attr("until")
			day, err := time.Parse(time.DateOnly, until)
			all = append(all, &Waiver{Change: e.Attr("change"), Reason: e.Doc(), Until: until, Pos: e.Pos,
				Expired: err != nil || !today.Before(day.AddDate(0, 0, 1)), model: root.Attr("name")})
		}
	}
	return all
}

// Waive notes which changes are waived: those of what a waiver names, and of what is below it. One
// that names nothing is for the model itself, its signature say, and for nothing below it.
func Waive(changes []Change, waivers []*Waiver) {
	for i, c := range changes {
		for _, w := range waivers {
			rest, below := strings.CutPrefix(c.Path, w.Change)
			if c.Breaking && w.model == c.Model && below && (rest == "" || w.Change != "" && strings.ContainsAny(rest[:1], " .")) {
				changes[i].Waiver, w.Used = w, true
			}
		}
	}
}
