using System;
using System.Collections.Generic;
using System.Linq;

namespace Scoreboard
{
    /// <summary>A finished action that may not have counted yet.</summary>
    public sealed class PendingAction
    {
        public readonly string Id;
        public readonly string Action;
        public readonly long? Points;
        internal readonly JsonObject Metadata;
        /// <summary>When it was finished, by the clock of this device, in milliseconds.</summary>
        internal readonly long DoneAt;
        /// <summary>Its user; null until there is a session.</summary>
        internal string UserId;
        internal HeldToken Token;

        internal PendingAction(string id, string action, long? points, JsonObject metadata, long doneAt)
        {
            Id = id;
            Action = action;
            Points = points;
            Metadata = metadata;
            DoneAt = doneAt;
        }

        internal JsonObject Write() => new JsonObject
        {
            ["id"] = Id,
            ["action"] = Action,
            ["points"] = Points,
            ["metadata"] = Metadata,
            ["doneAt"] = DoneAt,
            ["userId"] = UserId,
            ["token"] = Token?.Write(),
        };

        internal static PendingAction Read(JsonObject json)
        {
            var token = json.ObjectOrNull("token");
            return new PendingAction(
                json.Text("id"), json.Text("action"), json.IntegerOrNull("points"), json.ObjectOrNull("metadata"), json.Integer("doneAt"))
            {
                UserId = json.TextOrNull("userId"),
                Token = token == null ? null : HeldToken.Read(token),
            };
        }
    }

    /// <summary>An action token, with times by the clock of this device, in milliseconds.</summary>
    internal sealed class HeldToken
    {
        public readonly string ActionToken;
        /// <summary>The points it counts for if none are given.</summary>
        public readonly long Points;
        public readonly long ReadyAt;
        /// <summary>The longest wait before it may be used, even if the clock is changed meanwhile.</summary>
        public readonly long DurationMs;
        /// <summary>When it was last sent without a response that rules out that it counted.</summary>
        public long? DoubtfulSince;

        public HeldToken(string actionToken, long points, long readyAt, long durationMs)
        {
            ActionToken = actionToken;
            Points = points;
            ReadyAt = readyAt;
            DurationMs = durationMs;
        }

        public JsonObject Write() => new JsonObject
        {
            ["actionToken"] = ActionToken,
            ["points"] = Points,
            ["readyAt"] = ReadyAt,
            ["durationMs"] = DurationMs,
            ["doubtfulSince"] = DoubtfulSince,
        };

        public static HeldToken Read(JsonObject json) =>
            new HeldToken(json.Text("actionToken"), json.Integer("points"), json.Integer("readyAt"), json.Integer("durationMs"))
            {
                DoubtfulSince = json.IntegerOrNull("doubtfulSince"),
            };
    }

    /// <summary>Actions in the storage, oldest first.</summary>
    internal sealed class OfflineQueue
    {
        /// <summary>Maximum number of actions that wait.</summary>
        public const int Capacity = 64;
        private const string Name = "queue";
        /// <summary>The last text that could not be read whole.</summary>
        private const string Aside = "queue.unreadable";
        private readonly IStorage storage;
        private List<PendingAction> all;

        public OfflineQueue(IStorage storage)
        {
            this.storage = storage;
            all = Read();
        }

        public IReadOnlyList<PendingAction> All => all.ToArray();

        public bool IsFull => all.Count >= Capacity;

        /// <summary>Adds an action, or stores what has changed of it.</summary>
        public void Put(PendingAction pending)
        {
            var next = all.Contains(pending) ? all : all.Append(pending).ToList();
            // What cannot be stored is not added.
            Store(next);
            all = next;
        }

        public void Remove(PendingAction pending)
        {
            all.Remove(pending);
            Store(all);
        }

        private void Store(List<PendingAction> stored) => storage.Write(
            Name, stored.Count == 0 ? null : Json.Write(new JsonObject { ["actions"] = stored.Select(each => each.Write()) }));

        /// <summary>Another version of the package may have written it, or a disk has damaged it: the text is then kept aside.</summary>
        private List<PendingAction> Read()
        {
            var read = new List<PendingAction>();
            var text = storage.Read(Name);
            if (text == null) return read;
            var json = Json.TryParse(text) as JsonObject;
            var entries = json != null && json.TryGetValue("actions", out var list) ? list as List<object> : null;
            var isWhole = entries != null;
            foreach (var entry in entries ?? new List<object>())
            {
                try
                {
                    read.Add(PendingAction.Read(entry as JsonObject ?? throw new FormatException("An action is an object.")));
                }
                catch (FormatException)
                {
                    isWhole = false;
                }
            }
            if (!isWhole) storage.Write(Aside, text);
            return read;
        }
    }
}
