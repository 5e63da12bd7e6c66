"""A Streamlit application: a file that is uploaded beside the WebSocket, and a count in the memory of the session."""

import streamlit as st

st.session_state.count = st.session_state.get("count", 0) + 1
st.write(f"run {st.session_state.count}")

uploaded_file = st.file_uploader("Choose a file")
if uploaded_file is not None:
    st.write(f"{uploaded_file.name} has {len(uploaded_file.getvalue())} bytes")
