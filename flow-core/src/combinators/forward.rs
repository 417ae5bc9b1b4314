//! The methods that a wrapper passes on to the flow inside, so that a new one is added here alone.

/// The named methods of [`Flow`](crate::Flow), passed on to the flow in that field with its own errors. `rest` is what no wrapper changes.
macro_rules! forward {
    ($field:ident: $($method:ident)*) => {
        $($crate::combinators::forward::forward!(@$method $field);)*
    };
    (@poll_read $field:ident) => {
        #[inline]
        fn poll_read(
            &self,
            cx: &mut ::core::task::Context<'_>,
            op: &mut $crate::ReadOp,
        ) -> ::core::task::Poll<Result<Option<$crate::Bytes>, Self::Error>> {
            self.$field.poll_read(cx, op)
        }
    };
    (@poll_write $field:ident) => {
        $crate::combinators::forward::forward!(@done $field poll_write WriteOp);
    };
    (@poll_flush $field:ident) => {
        $crate::combinators::forward::forward!(@done $field poll_flush FlushOp);
    };
    (@poll_shutdown $field:ident) => {
        $crate::combinators::forward::forward!(@done $field poll_shutdown ShutdownOp);
    };
    (@poll_close $field:ident) => {
        $crate::combinators::forward::forward!(@done $field poll_close CloseOp);
    };
    (@done $field:ident $poll:ident $op:ident) => {
        #[inline]
        fn $poll(
            &self,
            cx: &mut ::core::task::Context<'_>,
            op: &mut $crate::$op,
        ) -> ::core::task::Poll<Result<(), $crate::WriteError<Self::Error>>> {
            self.$field.$poll(cx, op)
        }
    };
    (@abort $field:ident) => {
        fn abort(&self) {
            self.$field.abort();
        }
    };
    // Not for wrappers that look at the bytes: those answer `None`.
    (@direct $field:ident) => {
        fn direct(&self) -> Option<&dyn $crate::Direct> {
            self.$field.direct()
        }
    };
    (@rest $field:ident) => {
        fn delivered(&self) -> $crate::Delivered {
            self.$field.delivered()
        }
    };
}

/// All methods, passed on to the flow in that field with its errors put through a method of the wrapper.
macro_rules! forward_converting {
    ($field:ident, $convert:ident) => {
        #[inline]
        fn poll_read(
            &self,
            cx: &mut ::core::task::Context<'_>,
            op: &mut $crate::ReadOp,
        ) -> ::core::task::Poll<Result<Option<$crate::Bytes>, Self::Error>> {
            let polled = self.$field.poll_read(cx, op);
            polled.map_err(|e| self.$convert(e))
        }
        $crate::combinators::forward::forward_converting!(@done $field $convert poll_write WriteOp);
        $crate::combinators::forward::forward_converting!(@done $field $convert poll_flush FlushOp);
        $crate::combinators::forward::forward_converting!(@done $field $convert poll_shutdown ShutdownOp);
        $crate::combinators::forward::forward_converting!(@done $field $convert poll_close CloseOp);
        $crate::combinators::forward::forward!($field: abort direct rest);
    };
    (@done $field:ident $convert:ident $poll:ident $op:ident) => {
        #[inline]
        fn $poll(
            &self,
            cx: &mut ::core::task::Context<'_>,
            op: &mut $crate::$op,
        ) -> ::core::task::Poll<Result<(), $crate::WriteError<Self::Error>>> {
            let polled = self.$field.$poll(cx, op);
            polled.map_err(|e| e.map(|e| self.$convert(e)))
        }
    };
}

/// `inner`, `inner_mut` and `into_inner` of a wrapper with that field.
macro_rules! inner {
    ($field:ident: $type:ident) => {
        /// The flow inside.
        #[must_use]
        pub const fn inner(&self) -> &$type {
            &self.$field
        }

        /// The flow inside.
        #[must_use]
        pub const fn inner_mut(&mut self) -> &mut $type {
            &mut self.$field
        }
    };
}

pub(super) use {forward, forward_converting, inner};
