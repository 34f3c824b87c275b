package link

// idle does as serve, and then calls ended, in goroutines of its own: one waits for something to
// read and does no more than that, so that its stack is as small as stacks are at first, and one
// takes its place that reads until nothing is there.
func (i *reader) idle(deliver func(*Batch) error, ended func(error)) {
	if i.raw == nil {
		go func() { ended(i.serve(deliver)) }()
		return
	}
	i.idles = true
	var wait, wake func()
	wait = func() {
		_ = i.raw.Read(readable) // who is awake sees what is wrong
		go wake()
	}
	wake = func() {
		if err := i.awake(deliver); err != errNothing {
			i.drop()
			ended(err)
			return
		}
		go wait()
	}
	go func() {
		if err := i.pulse.rearm(); err != nil {
			ended(err)
			return
		}
		wake()
	}()
}

// awake reads until the link ends, and returns why, or nothing is there, for errNothing.
func (i *reader) awake(deliver func(*Batch) error) (err error) {
	for err == nil {
		err = i.cycle(deliver)
	}
	return err
}
