DROP INDEX users_erased_idx;
