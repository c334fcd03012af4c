DROP TABLE action_leaderboards;
DROP TABLE actions;
