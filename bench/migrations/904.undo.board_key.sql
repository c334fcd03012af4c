ALTER TABLE scores DROP CONSTRAINT scores_board_fkey;
