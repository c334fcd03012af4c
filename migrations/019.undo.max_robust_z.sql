ALTER TABLE actions DROP max_robust_z;
