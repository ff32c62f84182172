/// Enums: every form of variant, matched by value and by both kinds of reference.
module diff::shapes;

public enum Shape has copy, drop, store { Dot, Circle { radius: u64 }, Rect(u32, u32), Named { name: vector<u8>, size: u8 } }

public enum Tree has copy, drop, store { Leaf(u64), Node { left: vector<Shape>, right: Maybe<Shape> } }

public enum Maybe<T> has copy, drop, store { Nothing, Just(T) }

public fun make(kind: u8, a: u64): Shape {
    if (kind == 0) Shape::Dot
    else if (kind == 1) Shape::Circle { radius: a }
    else if (kind == 2) Shape::Rect(a as u32, (a as u32) + 1)
    else Shape::Named { name: vector::tabulate!(a, |i| i as u8), size: a as u8 }
}

public fun area(kind: u8, a: u64): u64 {
    match (make(kind, a)) {
        Shape::Dot => 0,
        Shape::Circle { radius } => 3 * radius * radius,
        Shape::Rect(w, h) => (w as u64) * (h as u64),
        Shape::Named { name, size } => name.length() + (size as u64),
    }
}

fun grow(shape: &mut Shape, by: u64) {
    match (shape) {
        Shape::Dot => (),
        Shape::Circle { radius } => *radius = *radius + by,
        Shape::Rect(w, _) => { *w = *w * 2; if (*w > 100) *shape = Shape::Dot },
        Shape::Named { name, size } => { name.push_back(*size); *size = *size + 1 },
    }
}

public fun grown(kind: u8, a: u64, by: u64): Shape {
    let mut shape = make(kind, a);
    grow(&mut shape, by);
    grow(&mut shape, by);
    shape
}

public fun many(count: u8): vector<Shape> {
    let mut shapes = vector::tabulate!(count as u64, |i| make(i as u8, i));
    shapes.do_mut!(|shape| grow(shape, 5));
    shapes
}

public fun same(kind: u8, a: u64, other: u8, b: u64): bool { make(kind, a) == make(other, b) }

public fun tree(kind: u8, a: u64): Tree {
    if (kind == 9) Tree::Leaf(a)
    else Tree::Node { left: many(kind), right: if (a > 3) Maybe::Just(make(1, a)) else Maybe::Nothing }
}

public fun weight(kind: u8, a: u64): u64 {
    let tree = tree(kind, a);
    match (&tree) {
        Tree::Leaf(x) if (*x > 100) => 100,
        Tree::Leaf(x) => *x,
        Tree::Node { left, right: Maybe::Just(Shape::Circle { radius }) } => left.length() + *radius,
        Tree::Node { left, right: _ } => left.length(),
    }
}

fun or<T: drop>(maybe: Maybe<T>, other: T): T {
    match (maybe) { Maybe::Nothing => other, Maybe::Just(found) => found }
}

public fun generic(a: u64): u64 {
    let some = if (a % 2 == 0) Maybe::Just(a) else Maybe::Nothing;
    or(some, 7) + or(Maybe::Just(1), a) + (or(Maybe::Nothing, b"abc").length())
}

public fun replaced(a: u64): (vector<Shape>) {
    let mut shape = make(3, a);
    let before = shape;
    match (&mut shape) { Shape::Named { name, .. } => *name = b"new", _ => abort 9 };
    vector[before, shape]
}

public fun wrong(kind: u8): u64 {
    match (make(kind, 1)) { Shape::Circle { radius } => radius, _ => abort 77 }
}
