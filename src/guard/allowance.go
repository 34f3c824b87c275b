package guard

import "time"

// Allowance is what may be used at once, of which time gives so much back each second. The
// zero value has used nothing. It is not safe for concurrent use.
type Allowance struct {
	used float64 // less what time has given back
	at   time.Time
}

// settle gives back what the time since the last call does.
func (a *Allowance) settle(now time.Time, rate float64) {
	if elapsed := now.Sub(a.at); elapsed > 0 { // who comes at the same time may come in another order
		a.used = max(0, a.used-elapsed.Seconds()*rate)
		a.at = now
	}
}

// Use uses so much, unless less is left of burst. Time gives back rate a second.
func (a *Allowance) Use(much float64, now time.Time, burst, rate float64) (ok bool) {
	a.settle(now, rate)
	if a.used+much > burst {
		return false
	}
	a.used += much
	return true
}

// Wait returns how long it takes time to give back what was used beyond burst.
func (a *Allowance) Wait(burst, rate float64) time.Duration {
	return time.Duration(max(0, a.used-burst) / rate * float64(time.Second))
}

// Refund takes back that so much was used.
func (a *Allowance) Refund(much float64) { a.used = max(0, a.used-much) }
