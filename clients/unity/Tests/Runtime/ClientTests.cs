using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using NUnit.Framework;

namespace Scoreboard.Tests
{
    /// <summary>The client with responses that are there at once, so that every call runs to its end or to a wait.</summary>
    public class ClientTests
    {
        private sealed class Transport : ITransport
        {
            public readonly List<Request> Requests = new List<Request>();
            public Func<Request, Response> Answer = request => throw new InvalidOperationException("Offline.");
            public bool CanStream => true;

            public Task<Response> SendAsync(Request request, CancellationToken cancel)
            {
                Requests.Add(request);
                return Task.FromResult(Answer(request));
            }

            public Task<Response> StreamAsync(Request request, Action<ArraySegment<byte>> received, CancellationToken cancel) =>
                throw new NotSupportedException();
        }

        /// <summary>Nothing that waits goes on.</summary>
        private sealed class Clock : IClock
        {
            public DateTime UtcNow { get; } = new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);

            public Task DelayAsync(TimeSpan time, CancellationToken cancel) => Task.Delay(Timeout.InfiniteTimeSpan, cancel);
        }

        private sealed class NoLoop : SynchronizationContext
        {
            public override void Post(SendOrPostCallback call, object state)
            {
            }
        }

        private Transport transport;
        private Storage storage;
        private ScoreboardClient client;
        private SynchronizationContext before;

        [SetUp]
        public void Open()
        {
            before = SynchronizationContext.Current;
            SynchronizationContext.SetSynchronizationContext(new NoLoop());
            transport = new Transport();
            storage = new Storage();
            storage.Write("session", Session("usr_a", "access-a"));
            client = new ScoreboardClient("https://scores.example.com", transport, storage, new Clock());
        }

        [TearDown]
        public void Close()
        {
            client.Dispose();
            SynchronizationContext.SetSynchronizationContext(before);
        }

        private static string Session(string user, string accessToken) => Json.Write(new JsonObject
        {
            ["user"] = new JsonObject { ["id"] = user, ["displayName"] = user, ["username"] = null },
            ["accessToken"] = accessToken,
            ["refreshToken"] = "refresh",
            ["refreshAt"] = long.MaxValue,
            ["expiresIn"] = 3600,
        });

        public static readonly object[] NoJson =
        {
            new object(), double.NaN, float.PositiveInfinity, 'c', new Dictionary<int, int> { [1] = 1 }, Nested(40),
        };

        private static object Nested(int depth) => depth == 0 ? new object[0] : new[] { Nested(depth - 1) };

        [TestCaseSource("NoJson")]
        public void MetadataThatIsNoJsonIsRefusedAndNotQueued(object value)
        {
            var metadata = new JsonObject { ["value"] = value };
            var performed = client.PerformActionAsync("finish-level", 1, null, metadata);
            Assert.IsInstanceOf<ArgumentException>(performed.Exception.InnerException);
            CollectionAssert.IsEmpty(client.Pending);
            var next = client.PerformActionAsync("finish-level", 1, null, new JsonObject { ["accuracy"] = 0.93f });
            Assert.IsFalse(next.IsCompleted);
            StringAssert.Contains("\"accuracy\":0.93}", storage.Texts["queue"]);
        }

        [Test]
        public void MetadataIsThatOfTheMomentOfTheAction()
        {
            var metadata = new JsonObject { ["level"] = 3 };
            client.PerformActionAsync("finish-level", 1, null, metadata);
            metadata["level"] = new object();
            client.PerformActionAsync("finish-level", 2);
            Assert.AreEqual(2, new OfflineQueue(storage).All.Count);
            StringAssert.Contains("\"level\":3}", storage.Texts["queue"]);
        }

        [Test]
        public void AnActionAfterDisposeIsStored()
        {
            client.Dispose();
            var performed = client.PerformActionAsync("finish-level", 1);
            Assert.AreEqual(ScoreboardException.Queued, ((ScoreboardException)performed.Exception.InnerException).Code);
            Assert.AreEqual(1, new OfflineQueue(storage).All.Count);
        }

        [Test]
        public void AScoreIsNotRepeatedForAUserWhoLogsInMeanwhile()
        {
            transport.Answer = request =>
            {
                if (request.Url.EndsWith("/action-tokens"))
                    return new Response(201, "{\"actionToken\":\"t\",\"tokenId\":\"act_00000000000000000000000000\",\"userId\":\"usr_a\","
                        + "\"points\":{\"min\":1},\"notBefore\":\"1970-01-01T00:00:00.000Z\"}", null);
                if (request.Url.EndsWith("/login")) return new Response(200, Session("usr_b", "access-b"), null);
                client.LoginAsync("b", "correct horse battery");
                return new Response(401, "{\"code\":\"unauthenticated\",\"detail\":\"The session has ended.\"}", null);
            };
            client.PerformActionAsync("finish-level", 1);
            var scores = transport.Requests.Where(request => request.Url.EndsWith("/scores"));
            CollectionAssert.AreEqual(new[] { "Bearer access-a" }, scores.Select(request => request.Headers["Authorization"]));
            Assert.AreEqual("usr_b", client.User.Id);
            Assert.AreEqual(1, client.Pending.Count);
        }
    }
}
