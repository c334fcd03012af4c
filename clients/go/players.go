package scoreboard

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// User is a player.
type User struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
	// Username is nil for a guest, and for a player of a game server.
	Username  *string   `json:"username"`
	Role      string    `json:"role"`
	CreatedAt time.Time `json:"createdAt"`
}

// Session is a login of a player, to hand to the player's game.
type Session struct {
	User             User   `json:"user"`
	AccessToken      string `json:"accessToken"`
	ExpiresIn        int    `json:"expiresIn"`
	RefreshToken     string `json:"refreshToken"`
	RefreshExpiresIn int    `json:"refreshExpiresIn"`
}

// String does not show the tokens.
func (s Session) String() string { return "session of " + s.User.ID }

// GoString is like String.
func (s Session) GoString() string { return s.String() }

// CreateUser returns the service's user for a player of yours: the same externalID always returns the same user. Without one, a new
// user is made, and a request without a response is not repeated.
func (c *Client) CreateUser(ctx context.Context, displayName, externalID string) (User, error) {
	body := map[string]string{"displayName": displayName}
	if externalID != "" {
		body["externalId"] = externalID
	}
	var user User
	create := request{method: http.MethodPost, path: "/v1/users", body: body, repeatable: externalID != ""}
	err := c.call(ctx, create, &user)
	return user, err
}

// NewUser is a player of yours to register.
type NewUser struct {
	DisplayName string `json:"displayName"`
	ExternalID  string `json:"externalId"`
}

// UserOutcome is what became of a NewUser: a User or an Err.
type UserOutcome struct {
	User *User
	Err  *Error
}

// CreateUsers is CreateUser for any number of players. The outcomes are in the order of the players.
func (c *Client) CreateUsers(ctx context.Context, users []NewUser) ([]UserOutcome, error) {
	outcomes := make([]UserOutcome, len(users))
	failure := c.inBatches(ctx, len(users), func(part []int, until time.Time) ([]*Error, *Error) {
		chosen := make([]NewUser, len(part))
		for i, index := range part {
			chosen[i] = users[index]
		}
		items, failure := sendBatch[*User](ctx, c, "/v1/users/batch", map[string]any{"users": chosen}, "user", len(part), until)
		errs := make([]*Error, len(items))
		for i, item := range items {
			outcomes[part[i]] = UserOutcome{User: item.value, Err: item.err}
			errs[i] = item.err
		}
		return errs, failure
	})
	// A nil *Error in an error would not be nil.
	if failure != nil {
		return nil, failure
	}
	return outcomes, nil
}

// OpenSession opens a session for a player whom your game has logged in itself.
func (c *Client) OpenSession(ctx context.Context, userID string) (Session, error) {
	var session Session
	err := c.post(ctx, "/v1/users/"+url.PathEscape(userID)+"/sessions", nil, &session)
	return session, err
}
