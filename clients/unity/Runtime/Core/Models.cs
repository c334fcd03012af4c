using System.Collections.Generic;

namespace Scoreboard
{
    /// <summary>A player.</summary>
    public sealed class User
    {
        public readonly string Id;
        public readonly string DisplayName;
        /// <summary>Null for a guest.</summary>
        public readonly string Username;
        internal readonly JsonObject Json;

        internal User(JsonObject json)
        {
            Json = json;
            Id = json.Text("id");
            DisplayName = json.Text("displayName");
            Username = json.TextOrNull("username");
        }
    }

    /// <summary>One user's place on a board.</summary>
    public sealed class Entry
    {
        /// <summary>From 1; every entry has its own.</summary>
        public readonly long Rank;
        /// <summary>The rank that all entries with the same score share.</summary>
        public readonly long SharedRank;
        public readonly string UserId;
        /// <summary>Players choose it: show it as plain text, without rich text.</summary>
        public readonly string DisplayName;
        public readonly long Score;
        public readonly string AchievedAt;

        internal Entry(JsonObject json)
        {
            Rank = json.Integer("rank");
            SharedRank = json.Integer("sharedRank");
            UserId = json.Text("userId");
            DisplayName = json.Text("displayName");
            Score = json.Integer("score");
            AchievedAt = json.Text("achievedAt");
        }
    }

    /// <summary>A part of a leaderboard at one moment.</summary>
    public sealed class Board
    {
        public readonly string Leaderboard;
        public readonly long Season;
        /// <summary>Null while the end of the season is open.</summary>
        public readonly string SeasonEndsAt;
        /// <summary>Number of entries on the whole board.</summary>
        public readonly long Total;
        public readonly IReadOnlyList<Entry> Items;

        internal Board(JsonObject json)
        {
            Leaderboard = json.Text("leaderboard");
            Season = json.Integer("season");
            SeasonEndsAt = json.TextOrNull("seasonEndsAt");
            Total = json.Integer("total");
            Items = json.List("items", item => new Entry(item));
        }
    }

    /// <summary>The entry of one user; rank and score are null while there is none.</summary>
    public sealed class Standing
    {
        public readonly string UserId;
        public readonly long? Rank;
        public readonly long? Score;

        internal Standing(JsonObject json)
            : this(json.Text("userId"), json.IntegerOrNull("rank"), json.IntegerOrNull("score"))
        {
        }

        internal Standing(string userId, long? rank, long? score)
        {
            UserId = userId;
            Rank = rank;
            Score = score;
        }
    }

    /// <summary>What an action that has counted did on one board.</summary>
    public sealed class BoardResult
    {
        public readonly string Id;
        /// <summary>Null if the board took nothing, or while its ranks are being rebuilt.</summary>
        public readonly long? Rank;
        public readonly long? Score;
        public readonly long? PreviousRank;
        public readonly long? PreviousScore;
        /// <summary>Why the board took nothing: frozen or closed; otherwise null.</summary>
        public readonly string Skipped;

        internal BoardResult(JsonObject json)
        {
            Id = json.Text("id");
            Rank = json.IntegerOrNull("rank");
            Score = json.IntegerOrNull("score");
            PreviousRank = json.IntegerOrNull("previousRank");
            PreviousScore = json.IntegerOrNull("previousScore");
            Skipped = json.TextOrNull("skipped");
        }
    }

    /// <summary>The result of an action that has counted.</summary>
    public sealed class Receipt
    {
        public readonly string EventId;
        public readonly string Action;
        public readonly long Points;
        public readonly string AcceptedAt;
        /// <summary>A held event is on no board until an administrator has released it.</summary>
        public readonly bool IsHeld;
        /// <summary>Whether the response was lost and a retry found that the action had counted: Leaderboards is then empty.</summary>
        public readonly bool Replayed;
        public readonly IReadOnlyList<BoardResult> Leaderboards;

        internal Receipt(JsonObject json)
        {
            EventId = json.Text("eventId");
            Action = json.Text("action");
            Points = json.Integer("points");
            AcceptedAt = json.Text("acceptedAt");
            IsHeld = json.TextOrNull("status") == "held";
            Leaderboards = json.List("leaderboards", item => new BoardResult(item));
        }

        internal Receipt(OriginalEvent original, string action, long points)
        {
            EventId = original.EventId;
            AcceptedAt = original.AcceptedAt;
            Action = action;
            Points = points;
            Replayed = true;
            Leaderboards = new BoardResult[0];
        }
    }
}
