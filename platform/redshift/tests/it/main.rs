mod compiled;
mod naive;
mod queries;
mod worlds;
