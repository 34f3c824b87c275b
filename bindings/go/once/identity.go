package once

import "github.com/sjohnr/at-once/bindings/go/libonce"

// OpenIdentity returns the identity in a directory, and makes it if there is none. An
// empty directory is a new identity in memory. It fails with [ErrMode] if others could
// read or change its files, with [ErrMalformed] or [ErrStranger] if one is not right, and
// with the error of the file system.
func OpenIdentity(directory string) (*Identity, error) {
	i, err := libonce.NewIdentity(directory)
	return (*Identity)(i), named("OpenIdentity", err)
}

// LoadIdentity returns the identity in a directory, and makes none: it fails with
// fs.ErrNotExist if there is none, else as [OpenIdentity] does. The default profile of the
// program once is in the folder once/identity of [os.UserConfigDir].
func LoadIdentity(directory string) (*Identity, error) {
	i, err := libonce.IdentityLoad(directory)
	return (*Identity)(i), named("LoadIdentity", err)
}

// JoinNetwork takes an invite to a network, with the identity that it brings or the one in
// the directory, which is made if it is missing. It fails with [ErrMalformed], [ErrForged]
// or [ErrExpired] if the invite is not right, with [ErrStranger] if it is for somebody
// else, with [ErrNetwork] if the identity is a member of another network, with [ErrExists]
// if the directory has a membership that is newer than the invite's, with [ErrRevoked] if
// the network has taken the membership back, and as [OpenIdentity] does.
func JoinNetwork(directory, invite string) (*Identity, error) {
	i, err := libonce.IdentityJoinAt(directory, invite)
	return (*Identity)(i), named("JoinNetwork", err)
}

// OpenNetwork returns the network in a directory, and makes it if there is none. It fails
// as [OpenIdentity] does.
func OpenNetwork(directory string) (*NetworkKey, error) {
	n, err := libonce.NewNetwork(directory)
	return (*NetworkKey)(n), named("OpenNetwork", err)
}

// LoadNetwork returns the network in a directory, and makes none: it fails with
// fs.ErrNotExist if there is none, else as [OpenIdentity] does.
func LoadNetwork(directory string) (*NetworkKey, error) {
	n, err := libonce.NetworkLoadNetwork(directory)
	return (*NetworkKey)(n), named("LoadNetwork", err)
}

// RestoreNetwork makes a directory what [NetworkKey].Backup has written down. It fails with
// [ErrExists] if there is a network, with [ErrMalformed] or [ErrNetwork] if the lines are
// not right, and as [OpenIdentity] does.
func RestoreNetwork(directory, backup string) (*NetworkKey, error) {
	n, err := libonce.NetworkRestoreNetwork(directory, backup)
	return (*NetworkKey)(n), named("RestoreNetwork", err)
}

// MoveNetwork makes a network with a new key that goes on where that in the directory old
// ends. Members of the old network who see it become those of the new. It fails with
// [ErrExists] if there is a network, if old has moved before, and as [LoadNetwork] does.
func MoveNetwork(directory, old string) (*NetworkKey, error) {
	n, err := libonce.NetworkMoveNetwork(directory, old)
	return (*NetworkKey)(n), named("MoveNetwork", err)
}
