using System.Linq;
using NUnit.Framework;

namespace Scoreboard.Tests
{
    public class OfflineQueueTests
    {
        private static PendingAction Action(string id) =>
            new PendingAction(id, "finish-level", 42, new JsonObject { ["level"] = 3L }, 1000);

        [Test]
        public void WhatWaitsIsThereAfterARestart()
        {
            var storage = new Storage();
            var queue = new OfflineQueue(storage);
            var first = Action("1");
            queue.Put(first);
            queue.Put(Action("2"));
            first.UserId = "usr_1";
            first.Token = new HeldToken("token", 1, 2000, 1000) { DoubtfulSince = 3000 };
            queue.Put(first);
            var read = new OfflineQueue(storage).All;
            CollectionAssert.AreEqual(new[] { "1", "2" }, read.Select(action => action.Id));
            Assert.AreEqual(Json.Write(first.Write()), Json.Write(read[0].Write()));
            Assert.IsNull(read[1].Token);
            queue.Remove(first);
            CollectionAssert.AreEqual(new[] { "2" }, new OfflineQueue(storage).All.Select(action => action.Id));
        }

        [Test]
        public void WhatCanBeReadIsReadBesideWhatCannot()
        {
            var storage = new Storage();
            storage.Write("queue", Json.Write(new JsonObject { ["actions"] = new object[] { 1, new JsonObject(), Action("1").Write() } }));
            CollectionAssert.AreEqual(new[] { "1" }, new OfflineQueue(storage).All.Select(action => action.Id));
        }

        [Test]
        public void ItIsFullAtItsCapacity()
        {
            var queue = new OfflineQueue(new Storage());
            for (var id = 0; id < OfflineQueue.Capacity; id++)
            {
                Assert.IsFalse(queue.IsFull);
                queue.Put(Action(id.ToString()));
            }
            Assert.IsTrue(queue.IsFull);
        }

        [TestCase("no JSON")]
        [TestCase("{\"actions\": [{}]}")]
        [TestCase("{\"actions\": [1]}")]
        public void WhatCannotBeReadIsKeptAside(string text)
        {
            var storage = new Storage();
            storage.Write("queue", text);
            CollectionAssert.IsEmpty(new OfflineQueue(storage).All);
            Assert.AreEqual(text, storage.Read("queue.unreadable"));
        }
    }
}
