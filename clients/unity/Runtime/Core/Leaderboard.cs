using System;
using System.Threading;
using System.Threading.Tasks;

namespace Scoreboard
{
    /// <summary>Reads one leaderboard. Needs no session.</summary>
    public sealed class Leaderboard
    {
        private readonly Http http;
        private readonly Session session;
        private readonly IClock clock;
        private readonly Action<Action> raise;
        private readonly CancellationToken closing;
        private readonly string id;

        internal Leaderboard(Http http, Session session, IClock clock, Action<Action> raise, CancellationToken closing, string id)
        {
            this.http = http;
            this.session = session;
            this.clock = clock;
            this.raise = raise;
            this.closing = closing;
            this.id = id;
        }

        /// <summary>The first entries.</summary>
        /// <param name="limit">1 to 100</param>
        public Task<Board> TopAsync(int limit = 10) => ReadAsync("/entries?limit=" + limit);

        /// <summary>A user with up to `radius` neighbours on each side; not-found if the user has no entry.</summary>
        /// <param name="userId">default: the session's user</param>
        /// <param name="radius">0 to 50</param>
        public Task<Board> AroundAsync(string userId = null, int radius = 5)
        {
            var user = userId ?? session.User?.Id
                ?? throw new ScoreboardException("unauthenticated", "No user was given, and there is no session.");
            return ReadAsync("/entries/" + Uri.EscapeDataString(user) + "/around?radius=" + radius);
        }

        /// <summary>Calls the listener with the state of the board, now and at each change, until the result is disposed.</summary>
        /// <param name="limit">number of entries, 1 to 100</param>
        /// <param name="userId">a user whose entry is sent too, as Standing</param>
        public IDisposable Subscribe(Action<LiveView> listener, int limit = 10, string userId = null)
        {
            var subscription = new Subscription(http, clock, raise, id, listener, limit, userId, closing);
            subscription.Start();
            return subscription;
        }

        internal static string PathOf(string id) => "/v1/leaderboards/" + Uri.EscapeDataString(id);

        private Task<Board> ReadAsync(string path) =>
            http.AskAsync("GET", PathOf(id) + path, null, null, json => new Board(json), closing);
    }
}
