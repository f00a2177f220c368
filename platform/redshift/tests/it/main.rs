mod compiled;
mod guarded;
mod naive;
mod queries;
mod session;
mod tickit;
mod worlds;
