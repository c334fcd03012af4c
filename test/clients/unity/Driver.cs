using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace Scoreboard.Driver
{
    /// <summary>
    /// A game that is played by lines of JSON: it reads commands, and writes results and events. test/clients/game.ts has the
    /// commands.
    /// </summary>
    internal sealed class Driver
    {
        private readonly FileStorage storage;
        private readonly ScoreboardClient client;
        private readonly List<BegunAction> begun = new List<BegunAction>();
        private IDisposable subscription;

        /// <summary>Arguments: the URL of the service, a folder to store in, and "stream" or "poll".</summary>
        private static void Main(string[] args)
        {
            var loop = new Loop();
            SynchronizationContext.SetSynchronizationContext(loop);
            var driver = new Driver(args[0], args[1], args[2] == "stream");
            var input = new Thread(() =>
            {
                for (string line; (line = Console.ReadLine()) != null;)
                {
                    var command = (JsonObject)Json.Parse(line);
                    loop.Post(_ => driver.Obey(command), null);
                }
                Environment.Exit(0);
            });
            input.Start();
            loop.Run();
        }

        private Driver(string url, string folder, bool canStream)
        {
            storage = new FileStorage(folder, url, Console.Error.WriteLine);
            // As a second component of the same game does, which keeps nothing.
            new FileStorage(folder, url, _ => {}).Dispose();
            client = new ScoreboardClient(url, new HttpTransport(canStream), storage, new SystemClock());
            client.Counted += (action, receipt) => Report("counted", Of(receipt));
            client.Waiting += (action, error, pause) =>
            {
                var waiting = Of(error);
                waiting["pauseMs"] = (long)pause.TotalMilliseconds;
                Report("waiting", waiting);
            };
            client.Refused += (action, error) => Report("refused", Of(error));
            client.Resume();
        }

        private async void Obey(JsonObject command)
        {
            var answer = new JsonObject { ["id"] = command.Integer("id") };
            try
            {
                answer["result"] = await DoAsync(command);
            }
            catch (ScoreboardException error)
            {
                answer["error"] = Of(error);
            }
            Say(answer);
        }

        private async Task<object> DoAsync(JsonObject command)
        {
            var board = client.Leaderboard(command.TextOrNull("leaderboard") ?? "global");
            switch (command.Text("command"))
            {
                case "guest":
                    return Of(await client.GuestAsync(command.TextOrNull("displayName")));
                case "rename":
                    return Of(await client.RenameAsync(command.Text("displayName")));
                case "upgrade":
                    return Of(await client.UpgradeAsync(command.Text("username"), command.Text("password")));
                case "login":
                    return Of(await client.LoginAsync(command.Text("username"), command.Text("password")));
                case "logout":
                    await client.LogoutAsync();
                    return client.User == null ? null : Of(client.User);
                case "begin":
                    begun.Add(await client.BeginActionAsync(command.Text("action")));
                    return begun.Count - 1;
                case "perform":
                    var number = command.IntegerOrNull("begun");
                    var timeout = command.IntegerOrNull("timeoutMs");
                    return Of(await client.PerformActionAsync(
                        command.Text("action"), command.IntegerOrNull("points"), number == null ? null : begun[(int)number],
                        command.ObjectOrNull("metadata"), timeout == null ? (TimeSpan?)null : TimeSpan.FromMilliseconds(timeout.Value)));
                case "kept":
                    return storage.IsKept;
                case "save":
                    // Other files of a game are its own.
                    return null;
                case "pending":
                    return client.Pending.Count;
                case "top":
                    return Of(await board.TopAsync((int)command.Integer("limit")));
                case "around":
                    return Of(await board.AroundAsync(command.TextOrNull("userId"), (int)command.Integer("radius")));
                case "subscribe":
                    subscription = board.Subscribe(
                        view => Report("view", Of(view)), (int)command.Integer("limit"), command.TextOrNull("userId"));
                    return null;
                case "unsubscribe":
                    subscription.Dispose();
                    return null;
                default:
                    throw new ArgumentException(command.Text("command"));
            }
        }

        private static JsonObject Of(User user) =>
            new JsonObject { ["id"] = user.Id, ["displayName"] = user.DisplayName, ["username"] = user.Username };

        private static JsonObject Of(ScoreboardException error) => new JsonObject
        {
            ["code"] = error.Code,
            ["status"] = error.Status,
            ["retryAfterMs"] = (long)error.RetryAfter.TotalMilliseconds,
        };

        private static JsonObject Of(Receipt receipt) => new JsonObject
        {
            ["eventId"] = receipt.EventId,
            ["action"] = receipt.Action,
            ["points"] = receipt.Points,
            ["replayed"] = receipt.Replayed,
            ["leaderboards"] = receipt.Leaderboards.Select(each =>
                new JsonObject { ["id"] = each.Id, ["rank"] = each.Rank, ["score"] = each.Score }),
        };

        private static JsonObject Of(Board board) => new JsonObject
        {
            ["total"] = board.Total,
            ["items"] = board.Items.Select(entry => new JsonObject
            {
                ["rank"] = entry.Rank,
                ["userId"] = entry.UserId,
                ["displayName"] = entry.DisplayName,
                ["score"] = entry.Score,
            }),
        };

        private static JsonObject Of(LiveView view) => new JsonObject
        {
            ["state"] = view.State.ToString().ToLowerInvariant(),
            ["board"] = view.Board == null ? null : Of(view.Board),
            ["standing"] = view.Standing == null ? null : new JsonObject
            {
                ["userId"] = view.Standing.UserId,
                ["rank"] = view.Standing.Rank,
                ["score"] = view.Standing.Score,
            },
            ["error"] = view.Error == null ? null : Of(view.Error),
        };

        private static void Report(string kind, JsonObject value) => Say(new JsonObject { ["event"] = kind, ["value"] = value });

        private static void Say(JsonObject line) => Console.WriteLine(Json.Write(line));

        /// <summary>One thread that runs what is posted to it, as the main loop of an engine does.</summary>
        private sealed class Loop : SynchronizationContext
        {
            private readonly BlockingCollection<Action> posted = new BlockingCollection<Action>();
            public override void Post(SendOrPostCallback call, object state) => posted.Add(() => call(state));

            public void Run()
            {
                foreach (var call in posted.GetConsumingEnumerable()) call();
            }
        }
    }
}
