@0xea72f482528ba5ca;
# A calculator of which every number is an object: what is computed with one is another, so that a whole sum can be asked for before the first
# answer has come.

interface Calculator {
  number @0 (value :Float64) -> (number :Number);
  # A number to compute with.

  ponder @1 () -> ();
  # Is answered never: a call that is under way for as long as both sides live.

  follow @2 (follower :Follower) -> ();
  # Tells the follower a number, and is answered when the follower has answered.
}

interface Number {
  apply @0 (operation :Operation, operand :Float64) -> (result :Number);
  # The number that comes out. Dividing by zero is an error of the call, and of every call on its result.

  value @1 () -> (value :Float64);
}

interface Follower {
  told @0 (value :Float64) -> ();
}

enum Operation {
  plus @0;
  minus @1;
  times @2;
  over @3;
}
