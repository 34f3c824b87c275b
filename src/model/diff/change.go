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
