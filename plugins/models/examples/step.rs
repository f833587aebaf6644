//! Seconds per training step of a network: `step MODEL BATCH SIZE STEPS`.

use burn::optim::AdamConfig;
use burn::tensor::{Device, Distribution, Int, Tensor, activation};
use fovea_api::{Mode, ModelContext, Registry};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let text = |i: usize, default: &str| arguments.get(i).cloned().unwrap_or_else(|| default.to_owned());
    let (batch, size, steps): (usize, usize, usize) =
        (text(2, "32").parse()?, text(3, "64").parse()?, text(4, "10").parse()?);
    let device = Device::flex().autodiff();
    let context = ModelContext { classes: 10, input_size: size, seed: 1, device: device.clone() };
    let mut registry = Registry::new();
    fovea_models::register(&mut registry);
    let mut network = registry.build_model(&text(1, "resnet18"), serde_json::json!({}), &context)?;
    let mut optimizer = AdamConfig::new().init();
    let images = Tensor::<4>::random([batch, 3, size, size], Distribution::Uniform(0.0, 1.0), &device);
    let labels = Tensor::<1, Int>::arange(0..batch as i64, &device).remainder_scalar(10).reshape([batch, 1]);
    let mut phases = [const { Vec::new() }; 4];
    for _ in 0..=steps {
        let start = Instant::now();
        let out = network.forward(images.clone(), Mode::Train);
        let loss = activation::log_softmax(out.logits, 1).gather(1, labels.clone()).mean().neg();
        let forward = start.elapsed().as_secs_f64();
        let gradients = loss.backward();
        let backward = start.elapsed().as_secs_f64();
        network.step(&mut optimizer, 1e-4, gradients);
        let total = start.elapsed().as_secs_f64();
        for (list, value) in phases.iter_mut().zip([forward, backward - forward, total - backward, total]) {
            list.push(value);
        }
    }
    for (name, list) in ["forward", "backward", "optimizer", "step"].iter().zip(&mut phases) {
        list.remove(0);
        list.sort_by(f64::total_cmp);
        println!("{name:10} median {:.4} s  minimum {:.4} s", list[list.len() / 2], list[0]);
    }
    Ok(())
}
