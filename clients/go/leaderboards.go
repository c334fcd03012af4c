package scoreboard

import (
	"context"
	"net/url"
	"time"
)

// Entry is one user's place on a leaderboard.
type Entry struct {
	// Rank is from 1; every entry has its own.
	Rank int `json:"rank"`
	// SharedRank is the rank that all entries with the same score share.
	SharedRank  int       `json:"sharedRank"`
	UserID      string    `json:"userId"`
	DisplayName string    `json:"displayName"`
	Score       int64     `json:"score"`
	// Formatted is the score as people write it; empty if the board has no unit.
	Formatted  string    `json:"formatted"`
	AchievedAt time.Time `json:"achievedAt"`
	// Metadata is what is public of that of the event that made the score.
	Metadata map[string]any `json:"metadata"`
}

// EntryDetails is an entry, and where it stands among all.
type EntryDetails struct {
	Entry
	Total      int     `json:"total"`
	Percentile float64 `json:"percentile"`
	// PointsToNextRank is nil for the first.
	PointsToNextRank *int64 `json:"pointsToNextRank"`
}

// Entries is a page of a leaderboard.
type Entries struct {
	Leaderboard  string     `json:"leaderboard"`
	Season       int        `json:"season"`
	SeasonEndsAt *time.Time `json:"seasonEndsAt"`
	Version      int64      `json:"version"`
	// Total is the number of entries on the whole board.
	Total int     `json:"total"`
	Items []Entry `json:"items"`
	// NextCursor leads to the next page; nil on the last.
	NextCursor *string `json:"nextCursor"`
}

// Page is which part of a leaderboard to read. Its zero value is the first ten entries of the season in force.
type Page struct {
	// Limit is 1 to 100.
	Limit int
	// Cursor is the NextCursor of the page before.
	Cursor string
	// Season is one that is over.
	Season int
}

// Top returns a page of a leaderboard.
func (c *Client) Top(ctx context.Context, board string, page Page) (Entries, error) {
	query := queryOf(map[string]int{"limit": page.Limit, "season": page.Season}, page.Cursor)
	var entries Entries
	err := c.get(ctx, entriesOf(board), query, &entries)
	return entries, err
}

// Around returns a user with up to `radius` neighbours on each side, 1 to 50; 5 if it is zero.
func (c *Client) Around(ctx context.Context, board, userID string, radius int) (Entries, error) {
	var entries Entries
	path := entriesOf(board) + "/" + url.PathEscape(userID) + "/around"
	err := c.get(ctx, path, queryOf(map[string]int{"radius": radius}, ""), &entries)
	return entries, err
}

// Entry returns rank and score of a user. Its error has the code "not-found" if there is none.
func (c *Client) Entry(ctx context.Context, board, userID string) (EntryDetails, error) {
	var entry EntryDetails
	err := c.get(ctx, entriesOf(board)+"/"+url.PathEscape(userID), nil, &entry)
	return entry, err
}

func entriesOf(board string) string {
	return "/v1/leaderboards/" + url.PathEscape(board) + "/entries"
}
