package scoreboard

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"time"
)

const (
	// tokenLife is the default of ACTION_TOKEN_TTL, which is the most that the service accepts.
	tokenLife = 5 * time.Minute
	// clockError is by how much this clock may be ahead of the service's.
	clockError = 30 * time.Second
)

// Mint signs the token of an action of a user by itself, for points between min and max. The secret is ACTION_TOKEN_SECRET of the
// service: who holds it can give any points to any user.
func Mint(secret, userID, action string, min, max int64) (string, error) {
	id, err := newTokenID()
	if err != nil {
		return "", err
	}
	now := time.Now().Add(-clockError)
	header, err := json.Marshal(map[string]string{"alg": "HS256", "typ": "action+jwt"})
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims{
		Issuer: "scoreboard-api", Audience: "scoreboard-action", Subject: userID, ID: id,
		Action: action, Points: [2]int64{min, max},
		IssuedAt: now.Unix(), NotBefore: now.Unix(), Expires: now.Add(tokenLife).Unix(),
	})
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode(header) + "." + encode(payload)
	signature := hmac.New(sha256.New, []byte(secret))
	signature.Write([]byte(text))
	return text + "." + encode(signature.Sum(nil)), nil
}

// newTokenID is a TypeID: a prefix, and a UUIDv7 in base32.
func newTokenID() (string, error) {
	const digits = "0123456789abcdefghjkmnpqrstvwxyz"
	uuid := make([]byte, 16)
	if _, err := rand.Read(uuid); err != nil {
		return "", err
	}
	now := time.Now().UnixMilli()
	for i := 0; i < 6; i++ {
		uuid[i] = byte(now >> (8 * (5 - i)))
	}
	uuid[6] = uuid[6]&0x0f | 0x70
	uuid[8] = uuid[8]&0x3f | 0x80
	number, base, rest := new(big.Int).SetBytes(uuid), big.NewInt(32), new(big.Int)
	id := make([]byte, 26)
	for i := len(id) - 1; i >= 0; i-- {
		number.DivMod(number, base, rest)
		id[i] = digits[rest.Int64()]
	}
	return "tok_" + string(id), nil
}
