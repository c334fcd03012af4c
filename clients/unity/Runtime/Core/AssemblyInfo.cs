using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Scoreboard.Tests")]
