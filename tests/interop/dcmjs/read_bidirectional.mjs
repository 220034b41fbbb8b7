// Reads a report as OHIF does and prints its bidirectional measurements as JSON.
//
// node read_bidirectional.mjs SR.dcm CT_1.dcm CT_2.dcm ...
// A CT is a slice, or an enhanced CT of several frames.
import { readFileSync } from 'node:fs';

import MeasurementReport from '@cornerstonejs/adapters/cornerstone3D/MeasurementReport';
import '@cornerstonejs/adapters/cornerstone3D/Bidirectional';
import { metaData } from '@cornerstonejs/core';
import dcmjs from 'dcmjs';

const [reportPath, ...ctPaths] = process.argv.slice(2);
const { DicomMessage, DicomMetaDictionary } = dcmjs.data;

const read = (path) => {
  const bytes = readFileSync(path);
  const file = DicomMessage.readFile(
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
  );
  return DicomMetaDictionary.naturalizeDataset(file.dict);
};

const modules = {};
const imageIds = {};
const first = (sequence) => (Array.isArray(sequence) ? sequence[0] : sequence);
const planes = (ct) => {
  if (!ct.PerFrameFunctionalGroupsSequence) {
    return [ct];
  }
  const shared = first(ct.SharedFunctionalGroupsSequence);
  return ct.PerFrameFunctionalGroupsSequence.map((frame) => ({
    ...first(shared.PixelMeasuresSequence),
    ...first(shared.PlaneOrientationSequence),
    ...first(frame.PlanePositionSequence),
  }));
};
for (const path of ctPaths) {
  const ct = read(path);
  planes(ct).forEach((plane, index) => {
    const imageId = `ct:${ct.SOPInstanceUID}:${index + 1}`;
    const [rowPixelSpacing, columnPixelSpacing] = plane.PixelSpacing.map(Number);
    const orientation = plane.ImageOrientationPatient.map(Number);
    modules[imageId] = {
      imagePlaneModule: {
        rowCosines: orientation.slice(0, 3),
        columnCosines: orientation.slice(3, 6),
        imagePositionPatient: plane.ImagePositionPatient.map(Number),
        rowPixelSpacing,
        columnPixelSpacing,
        frameOfReferenceUID: ct.FrameOfReferenceUID,
      },
    };
    imageIds[`${ct.SOPInstanceUID}:${index + 1}`] = imageId;
  });
}
metaData.addProvider((type, id) => modules[id]?.[type]);

const state = MeasurementReport.generateToolState(read(reportPath), imageIds, metaData);
const found = (state.Bidirectional ?? []).map((measurement) => ({
  image: measurement.sopInstanceUid,
  frame: measurement.annotation.data.frameNumber,
  points: measurement.annotation.data.handles.points.map((point) => Array.from(point)),
  label: measurement.annotation.data.label,
  trackingUid: measurement.TrackingUniqueIdentifier,
  statistics: Object.values(measurement.annotation.data.cachedStats)[0],
}));
process.stdout.write(JSON.stringify({ tools: Object.keys(state), found }));
