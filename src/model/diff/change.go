package diff

import (
	"github.com/sjohnr/at-once/src/model"
)

// Change is something that is not as it was.
type Change struct {
	model.Pos // in the newer models, or in the older if it is gone
	Class     Class
	Breaking  bool
	Model     string // which
	Path      string // of the element in it
	Text      string
	Waiver    *Waiver // that counts, or has expired
}

// Waiver says in a model that a change of it may break something: the path of what changes, why,
// and until when.
type Waiver struct {
	Change  string
	Reason  string
	Until   string
	Expired bool
	Used    bool
	model.Pos
	model string
}
