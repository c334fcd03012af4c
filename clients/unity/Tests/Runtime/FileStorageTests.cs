using System;
using System.Collections.Generic;
using System.IO;
using NUnit.Framework;

namespace Scoreboard.Tests
{
    public class FileStorageTests
    {
        private const string Url = "https://scores.example.com";
        private string folder;
        private readonly List<string> warnings = new List<string>();

        [SetUp]
        public void Create()
        {
            folder = Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("N"));
            warnings.Clear();
        }

        [TearDown]
        public void Remove() => Directory.Delete(folder, true);

        private FileStorage Open(string url = Url) => new FileStorage(folder, url, warnings.Add);

        [Test]
        public void OnlyTheFirstOfTwoGamesKeeps()
        {
            using (var first = Open())
            {
                first.Write("session", "of the first");
                using (var second = Open())
                {
                    Assert.IsFalse(second.IsKept);
                    StringAssert.Contains("Another running copy", string.Join("", warnings));
                    second.Write("session", "of the second");
                    Assert.IsNull(second.Read("session"));
                }
                Assert.AreEqual("of the first", first.Read("session"));
                first.Write("session", "of the first, later");
            }
            using (var next = Open())
            {
                Assert.IsTrue(next.IsKept);
                Assert.AreEqual("of the first, later", next.Read("session"));
                next.Write("session", null);
                Assert.IsNull(next.Read("session"));
            }
        }

        [Test]
        public void EachServiceHasFilesOfItsOwn()
        {
            using (var one = Open())
            using (var other = Open("https://other.example.com"))
            {
                one.Write("session", "one");
                Assert.IsTrue(other.IsKept);
                Assert.IsNull(other.Read("session"));
            }
        }

        [Test]
        public void WhatCannotBeReadIsNotWrittenOver()
        {
            string path;
            using (var storage = Open())
            {
                storage.Write("session", "kept");
                path = Directory.GetFiles(folder, "session.json", SearchOption.AllDirectories)[0];
                using (new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None))
                    Assert.IsNull(storage.Read("session"));
                Assert.IsFalse(storage.IsKept);
                storage.Write("session", "of another guest");
                // The rest is: without its queue, a session that is refreshed would be lost.
                storage.Write("queue", "kept too");
                Assert.AreEqual("kept too", storage.Read("queue"));
                using (var second = Open()) Assert.IsFalse(second.IsKept);
            }
            Assert.AreEqual("kept", File.ReadAllText(path));
            Assert.AreEqual(2, warnings.Count);
        }

        [Test]
        public void AfterDisposeNothingIsStoredInSilence()
        {
            var storage = Open();
            storage.Dispose();
            Assert.Throws<ObjectDisposedException>(() => storage.Write("queue", "lost"));
        }
    }
}
