package guard

// PropertyNonce is the property of READY and INITIATE in which a node challenges the
// far side of a connection; see api/protocol/zre_msg.xml. Who shows it is an @Once node.
const PropertyNonce = "X-Once-Nonce"

// PropertyIncarnation is the property in which a node shows in which of its lives it is,
// in 8 octets.
const PropertyIncarnation = "X-Once-Incarnation"

// Properties of INITIATE and READY in which nodes show who they are (RFC 23).
const (
	PropertyCard  = "X-Once-Card"
	propertyToken = "X-Once-Token"
	propertyMoves = "X-Once-Moves"
)

// PropertyName is the property of READY and INITIATE in which a node shows its name.
const PropertyName = "X-Once-Name"
