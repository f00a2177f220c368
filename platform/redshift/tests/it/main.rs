mod compiled;
mod guarded;
mod naive;
mod queries;
mod worlds;
