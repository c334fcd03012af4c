-- max_robust_z: how far from the usual points of the action an event may be, in robust standard deviations; null is as far as it likes.
ALTER TABLE actions ADD max_robust_z real;
