//! Shapes of what layers give. The main function is [`infer`].

use super::blueprint::{Operation, Shape, product};
use super::spec::{Op, Width};

/// What a layer becomes on inputs of these shapes.
pub(super) fn infer(op: &Op, shapes: &[Shape], classes: usize) -> Result<(Operation, Shape), Refusal> {
    let map = || match shapes[0] {
        Shape::Map { channels, height, width } => Ok((channels, height, width)),
        Shape::Vector(_) => Err(Refusal::new(format!("takes a map, its input is {}", shapes[0].words()))),
    };
    Ok(match op {
        Op::Conv(conv) => {
            let (input, height, width) = map()?;
            let (kernel, stride, padding) = (conv.kernel, conv.stride, conv.padding());
            let output = count(conv.out, classes);
            let [height, width] = windows([height, width], kernel, stride, padding)?;
            let shape = Shape::Map { channels: output, height, width };
            (Operation::Conv { input, output, kernel, stride, padding, bias: conv.bias }, shape)
        }
        Op::BatchNorm => (Operation::Norm { channels: map()?.0 }, shapes[0]),
        Op::Activation(activation) => (Operation::Activation(*activation), shapes[0]),
        Op::MaxPool(pool) => {
            let (channels, height, width) = map()?;
            let (kernel, padding) = (pool.kernel, pool.padding);
            let stride = pool.stride.unwrap_or(kernel);
            let [height, width] = windows([height, width], kernel, stride, padding)?;
            (Operation::MaxPool { kernel, stride, padding }, Shape::Map { channels, height, width })
        }
        Op::AvgPool(pool) => {
            let (channels, height, width) = map()?;
            let kernel = pool.kernel;
            let stride = pool.stride.unwrap_or(kernel);
            let [height, width] = windows([height, width], kernel, stride, 0)?;
            (Operation::AvgPool { kernel, stride }, Shape::Map { channels, height, width })
        }
        Op::AdaptiveAvgPool(pool) => {
            let (channels, ..) = map()?;
            let size = pool.size;
            (Operation::AdaptiveAvgPool { size }, Shape::Map { channels, height: size, width: size })
        }
        Op::GlobalAvgPool => (Operation::GlobalAvgPool, Shape::Vector(map()?.0)),
        Op::Flatten => {
            let (channels, height, width) = map()?;
            let width = usize::try_from(product([channels, height, width])).unwrap_or(usize::MAX);
            (Operation::Flatten, Shape::Vector(width))
        }
        Op::Linear(linear) => match shapes[0] {
            Shape::Vector(input) => {
                let output = count(linear.out, classes);
                (Operation::Linear { input, output, init: linear.init }, Shape::Vector(output))
            }
            Shape::Map { .. } => {
                let text = format!(
                    "takes a vector, its input is {}: put global-avg-pool or flatten before it",
                    shapes[0].words()
                );
                return Err(Refusal::new(text));
            }
        },
        Op::Dropout(dropout) => (Operation::Dropout { probability: dropout.p }, shapes[0]),
        Op::Add => {
            if shapes.iter().any(|shape| *shape != shapes[0]) {
                let refusal = Refusal::new(format!("adds what is of unlike shapes: {}", list(shapes)));
                let sized = shapes.iter().all(|shape| shape.may_equal(shapes[0]));
                return Err(Refusal { sized, ..refusal });
            }
            (Operation::Add, shapes[0])
        }
        Op::Concat => (Operation::Concat, concatenated(shapes)?),
        // Blocks are unrolled before this.
        Op::Residual(_) | Op::Repeat(_) => return Err(Refusal::new("is a block")),
    })
}

fn count(width: Width, classes: usize) -> usize {
    match width {
        Width::Count(count) => count,
        Width::Classes => classes,
    }
}

/// Why a layer cannot be on these inputs.
pub(super) struct Refusal {
    pub(super) message: String,
    /// Whether it depends on the size of the input.
    pub(super) sized: bool,
}

impl Refusal {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), sized: false }
    }

    fn sized(self) -> Self {
        Self { sized: true, ..self }
    }
}

fn list(shapes: &[Shape]) -> String {
    shapes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Sides of what windows give on sides of this length.
fn windows(sides: [usize; 2], kernel: usize, stride: usize, padding: usize) -> Result<[usize; 2], Refusal> {
    if kernel == 0 || stride == 0 {
        return Err(Refusal::new(""));
    }
    let padded = sides.map(|side| side.saturating_add(padding.saturating_mul(2)));
    if padded.iter().any(|side| *side < kernel) {
        let with = if padding > 0 { format!(" with padding {padding}") } else { String::new() };
        let [h, w] = sides;
        return Err(Refusal::new(format!(
            "its kernel of {kernel}x{kernel} is larger than its input of {h}x{w}{with}"
        ))
        .sized());
    }
    Ok(padded.map(|side| (side - kernel) / stride + 1))
}

/// Maps of one size one after the other by channel, or vectors.
fn concatenated(shapes: &[Shape]) -> Result<Shape, Refusal> {
    let refusal = || {
        Refusal::new(format!("cannot put together {}: all must be maps of one size or vectors", list(shapes)))
    };
    let mut total = shapes[0];
    for shape in &shapes[1..] {
        total = match (total, *shape) {
            (Shape::Vector(a), Shape::Vector(b)) => Shape::Vector(a.saturating_add(b)),
            (Shape::Map { channels: a, height, width }, Shape::Map { channels: b, height: h, width: w })
                if (height, width) == (h, w) =>
            {
                Shape::Map { channels: a.saturating_add(b), height, width }
            }
            (Shape::Map { .. }, Shape::Map { .. }) => return Err(refusal().sized()),
            _ => return Err(refusal()),
        };
    }
    Ok(total)
}
