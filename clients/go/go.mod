module github.com/example/scoreboard-api/clients/go

go 1.19
