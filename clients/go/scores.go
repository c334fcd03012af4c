package scoreboard

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
)

// ActionToken is permission to score once.
type ActionToken struct {
	ActionToken string    `json:"actionToken"`
	TokenID     string    `json:"tokenId"`
	NotBefore   time.Time `json:"notBefore"`
	ExpiresAt   time.Time `json:"expiresAt"`
}

// String does not show the token.
func (a ActionToken) String() string { return "action token " + a.TokenID }

// GoString is like String.
func (a ActionToken) GoString() string { return a.String() }

// Receipt is a score that has counted.
type Receipt struct {
	EventID    string    `json:"eventId"`
	UserID     string    `json:"userId"`
	Action     string    `json:"action"`
	Points     int64     `json:"points"`
	AcceptedAt time.Time `json:"acceptedAt"`
	// Status is "counted" or "held"; empty if Replayed.
	Status       string        `json:"status"`
	Leaderboards []BoardResult `json:"leaderboards"`
	// Replayed says that the first response was lost, and a retry has found that the score had counted.
	Replayed bool `json:"-"`
}

// BoardResult is what a score has changed on one leaderboard.
type BoardResult struct {
	ID string `json:"id"`
	// Skipped is "frozen" or "closed" if the leaderboard has not taken the score. Then there is nothing else.
	Skipped       string `json:"skipped"`
	Season        int    `json:"season"`
	Score         int64  `json:"score"`
	PreviousScore *int64 `json:"previousScore"`
	// Rank is nil while the board is being rebuilt.
	Rank         *int `json:"rank"`
	PreviousRank *int `json:"previousRank"`
}

// Score is what is said of a finished action.
type Score struct {
	// Points are needed where the token leaves a range.
	Points *int64 `json:"points,omitempty"`
	// Metadata is a JSON object of up to 2 KiB, kept with the event.
	Metadata map[string]any `json:"metadata,omitempty"`
}

// Submission is a score of a batch, without an action token.
type Submission struct {
	UserID string `json:"userId"`
	Action string `json:"action"`
	Points int64  `json:"points"`
	// IdempotencyKey is what this score is in your own system. It counts once.
	IdempotencyKey string         `json:"idempotencyKey"`
	Metadata       map[string]any `json:"metadata,omitempty"`
}

// Outcome is what became of a Submission: a Receipt or an Err.
type Outcome struct {
	Receipt *Receipt
	Err     *Error
}

// BeginAction requests the token of an action of a user, for exactly these points: so they are among those that the action allows.
func (c *Client) BeginAction(ctx context.Context, userID, action string, points int64) (ActionToken, error) {
	body := map[string]any{"userId": userID, "action": action, "points": points}
	var token ActionToken
	err := c.post(ctx, "/v1/action-tokens", body, &token)
	return token, err
}

// Submit counts a finished action exactly once. The token is of BeginAction or of Mint. One that expires in doubt is sent again a minute
// after that: if it has not counted by then, it never will.
func (c *Client) Submit(ctx context.Context, actionToken string, score Score) (Receipt, error) {
	body := struct {
		ActionToken string `json:"actionToken"`
		Score
	}{actionToken, score}
	var receipt Receipt
	submit := request{method: http.MethodPost, path: "/v1/scores", body: body, repeatable: true, actionToken: actionToken}
	err := c.call(ctx, submit, &receipt)
	var failure *Error
	if !errors.As(err, &failure) || failure.Original == nil {
		return receipt, err
	}
	claims, err := claimsOf(actionToken)
	if err != nil {
		return receipt, unreachable(err)
	}
	points := claims.Points[0]
	if score.Points != nil {
		points = *score.Points
	}
	return replayed(*failure.Original, claims.Subject, claims.Action, points), nil
}

// SubmitBatch counts each score exactly once. The outcomes are in the order of the submissions. After an error nothing is known of the
// others: submit the same again.
func (c *Client) SubmitBatch(ctx context.Context, submissions []Submission) ([]Outcome, error) {
	outcomes := make([]Outcome, len(submissions))
	failure := c.inBatches(ctx, len(submissions), func(part []int, until time.Time) ([]*Error, *Error) {
		chosen := make([]Submission, len(part))
		for i, index := range part {
			chosen[i] = submissions[index]
		}
		items, failure := sendBatch[*Receipt](ctx, c, "/v1/scores/batch", map[string]any{"submissions": chosen}, "receipt", len(part), until)
		errs := make([]*Error, len(items))
		for i, item := range items {
			outcome := &outcomes[part[i]]
			*outcome = Outcome{Receipt: item.value, Err: item.err}
			if item.err != nil && item.err.Original != nil {
				receipt := replayed(*item.err.Original, chosen[i].UserID, chosen[i].Action, chosen[i].Points)
				*outcome = Outcome{Receipt: &receipt}
			}
			errs[i] = outcome.Err
		}
		return errs, failure
	})
	// A nil *Error in an error would not be nil.
	if failure != nil {
		return nil, failure
	}
	return outcomes, nil
}

func replayed(original Original, userID, action string, points int64) Receipt {
	return Receipt{
		EventID: original.EventID, UserID: userID, Action: action, Points: points,
		AcceptedAt: original.AcceptedAt, Replayed: true,
	}
}

// claims is what an action token says.
type claims struct {
	Issuer    string   `json:"iss"`
	Audience  string   `json:"aud"`
	Subject   string   `json:"sub"`
	ID        string   `json:"jti"`
	Action    string   `json:"act"`
	Points    [2]int64 `json:"pts"`
	IssuedAt  int64    `json:"iat"`
	NotBefore int64    `json:"nbf"`
	Expires   int64    `json:"exp"`
}

func claimsOf(actionToken string) (claims claims, err error) {
	parts := strings.Split(actionToken, ".")
	if len(parts) != 3 {
		return claims, errors.New("scoreboard: this is no action token")
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return claims, err
	}
	return claims, json.Unmarshal(text, &claims)
}
